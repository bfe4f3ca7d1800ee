#include "deploying.hpp"
#include "up_state.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/client/error.hpp>
#include <decloud/client/http.hpp>
#include <decloud/client/package.hpp>
#include <decloud/store/atomic_file.hpp>

#include <fmt/format.h>

#include <array>
#include <chrono>

namespace decloud::cli::internal {

namespace {

constexpr std::uint64_t kMaxInput = 16U << 20U;
constexpr std::uint64_t kMaxAnswer = 64U << 20U;
constexpr unsigned kThumbnailWidth = 200;
constexpr auto kNotYetLimit = std::chrono::seconds(15);
constexpr auto kNotYetPause = std::chrono::milliseconds(250);

/// Nothing was run or charged, and it may go in a moment.
bool is_not_yet(const Error& error) {
    return error.message().find("HTTP 503") != std::string::npos;
}

/// An example with its own input.
struct Example {
    std::string_view name;
    std::string_view suffix;
    /// Within the example's folder; empty: a GET.
    std::string_view input;
};
constexpr std::array<Example, 3> kExamples{{{"hello", "", ""},
    {"thumbnail", "?width=200", "photo.jpg"}, {"markdown", "?title=A%20paid%20call", "sample.md"}}};

/// The version that is deployed already and is the same, if there is one.
Result<std::optional<client::DeployedVersion>> unchanged_version(
    const client::Home& home, const std::string& name, const std::string& fingerprint) {
    TRY(auto deployments, client::Deployments::load(home.deployments_file()));
    const client::NamedFunction* function = deployments.find(name);
    const client::DeployedVersion* version =
        function == nullptr ? nullptr : function->current_version();
    if (version == nullptr || version->revoked || version->fingerprint != fingerprint) {
        return std::nullopt;
    }
    return *version;
}

async::Task<Result<UpFunction>> deploy_example(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const UpState& state,
    std::string name,
    registry::Provider provider,
    identity::Domain domain,
    const client::AccountSigner& owner,
    net::http::Client& http
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    CO_TRY(const client::Project project, client::load_project(state.examples / name));
    CO_TRY(Bytes package, client::build_package(project));
    CO_TRY(client::DeploymentPlan plan,
        client::make_plan(project, std::move(package), {}, owner.address(), {}));
    CO_TRY(const std::string print, client::fingerprint(plan, {provider}, domain));
    CO_TRY(const auto known, unchanged_version(state.workspace.home, name, print));
    if (known) {
        co_return UpFunction{.name = std::move(name), .cid = known->cid};
    }
    CO_TRY(const Deployed deployed, co_await deploy_plan(http, state.workspace.home,
                                        std::move(plan), {provider}, owner, domain));
    co_return UpFunction{.name = std::move(name), .cid = deployed.version.cid};
}

std::unexpected<Error> wrong_answer(std::string_view name, std::string_view what) {
    return fail(ClientError::remote, fmt::format("the example {} answered {}", name, what));
}

Result<void> check_answer(std::string_view name, BytesView answer) {
    if (name == "hello" && as_text(answer) != "hello\n") {
        return wrong_answer(name, "something else than hello");
    }
    if (name == "thumbnail" && jpeg_width(answer) != kThumbnailWidth) {
        return wrong_answer(name, "no JPEG of the width that was asked for");
    }
    if (name == "markdown" && (as_text(answer).find("<h1") == std::string_view::npos ||
                                  as_text(answer).find("</html>") == std::string_view::npos)) {
        return wrong_answer(name, "no page of HTML");
    }
    return {};
}

}  // namespace

unsigned jpeg_width(BytesView image) {
    const std::size_t size = image.size();
    if (size < 4 || image[0] != 0xFF || image[1] != 0xD8 || image[size - 2] != 0xFF ||
        image[size - 1] != 0xD9) {
        return 0;
    }
    for (std::size_t at = 2; at + 9 < size && image[at] == 0xFF;) {
        if (image[at + 1] >= 0xC0 && image[at + 1] <= 0xC2) {
            return static_cast<unsigned>(image[at + 7]) << 8U | image[at + 8];
        }
        at += 2 + (static_cast<std::size_t>(image[at + 2]) << 8U | image[at + 3]);
    }
    return 0;
}

async::Task<Result<std::vector<UpFunction>>> deploy_examples(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    UpState& state,
    client::ChainSession& session,
    net::http::Client& http
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    CO_TRY(const auto owner, state.context.account_signer(state.workspace));
    CO_TRY(const auto name, identity::ProviderName::parse(kUpProvider));
    CO_TRY(const registry::Provider provider, co_await session.find_provider(name));
    std::vector<UpFunction> out;
    for (const Example& example : kExamples) {
        auto deployed = co_await deploy_example(
            state, std::string(example.name), provider, session.domain(), owner, http);
        if (!deployed) {
            co_return fail(deployed.error().within("deploying " + std::string(example.name)));
        }
        out.push_back(std::move(*deployed));
    }
    co_return out;
}

async::Task<Result<void>> call_example(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const UpState& state,
    UpFunction function,
    net::http::Client& http
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    for (const Example& example : kExamples) {
        if (example.name != function.name) {
            continue;
        }
        CO_TRY(net::Url url,
            net::parse_url(fmt::format("{}/p/{}/{}{}", state.workspace.config.gateway.url,
                kUpProvider, function.cid, example.suffix)));
        net::http::ClientRequest request;
        if (!example.input.empty()) {
            CO_TRY(Bytes input,
                store::read_file(state.examples / example.name / example.input, kMaxInput));
            request.method = "POST";
            request.body = std::move(input);
        }
        const auto end = std::chrono::steady_clock::now() + kNotYetLimit;
        auto answer = co_await client::fetch(http, url, request, kMaxAnswer);
        // A chain that has just started knows no state but its newest block's.
        while (!answer && is_not_yet(answer.error()) && std::chrono::steady_clock::now() < end) {
            co_await async::delay(kNotYetPause);
            answer = co_await client::fetch(http, url, request, kMaxAnswer);
        }
        if (!answer) {
            co_return fail(answer.error().within("calling " + function.name));
        }
        co_return check_answer(function.name, *answer);
    }
    co_return fail(ClientError::not_found, "no example is called " + function.name);
}

}  // namespace decloud::cli::internal
