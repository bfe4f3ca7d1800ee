#include "verbs.hpp"

#include <decloud/client/account_signer.hpp>
#include <decloud/client/deployments.hpp>
#include <decloud/client/error.hpp>
#include <decloud/client/http.hpp>
#include <decloud/identity/alias_binding.hpp>
#include <decloud/identity/typed_data.hpp>
#include <decloud/multiformats/cid.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <ranges>
#include <vector>

namespace decloud::cli {

namespace {

constexpr std::uint64_t kMaxAnswerBytes = std::uint64_t{64} * 1024;

struct AliasOptions {
    std::string alias;
    /// A name or a cid.
    std::string target;
    std::uint64_t version = 0;
};

async::Task<Result<json::Object>> ask(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& http,
    std::string gateway,
    std::string rest,
    std::optional<std::string> body = std::nullopt) {
    CO_TRY(net::Url url, net::parse_url(gateway));
    net::http::ClientRequest request{.method = body ? "PUT" : "GET",
        .target = std::string(identity::kAliasesPath) + rest,
        .headers = {{"Content-Type", "application/json"}}};
    if (body) {
        request.body = to_bytes(*body);
    }
    CO_TRY(const Bytes text,
        co_await client::fetch(http, std::move(url), std::move(request), kMaxAnswerBytes));
    CO_TRY(const json::Value value, json::parse(as_text(text)));
    if (!value.is_object()) {
        co_return fail(CommonError::invalid_input, "the gateway's answer is no object");
    }
    co_return value.get_object();
}

/// The domain that is signed for: the gateway's own word, which has to fit the URL it was asked by,
/// so that no gateway can have a binding made for another one.
async::Task<Result<std::string>> gateway_domain(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& http,
    std::string gateway) {
    CO_TRY(const json::Object said, co_await ask(http, gateway, {}));
    CO_TRY(const std::string domain, json::string_member(said, "gateway"));
    CO_TRY(const net::Url url, net::parse_url(gateway));
    const bool is_local = url.host == "127.0.0.1" || url.host == "::1" || url.host == "[::1]";
    if (domain != url.host && !(is_local && domain == "localhost")) {
        co_return fail(CommonError::invalid_input,
            fmt::format("{} says that it is the gateway {}", gateway, domain));
    }
    co_return domain;
}

std::string url_of(const std::string& gateway, const std::string& alias, std::string_view domain) {
    const auto url = net::parse_url(gateway);
    if (!url) {
        return {};
    }
    const std::string authority = url->authority();
    const std::size_t port = authority.rfind(':');
    return fmt::format("{}://{}.fn.{}{}/", url->scheme == net::Scheme::https ? "https" : "http",
        alias, domain,
        port == std::string::npos || authority.ends_with(']') ? std::string()
                                                              : authority.substr(port));
}

/// What a gateway keeps of an alias, oldest first: each signed by its one owner, for this gateway.
using History = std::vector<identity::AliasBinding>;

/// Error: invalid_input for what the gateway's word does not fit.
Result<History> read_history(const json::Object& known,
    const std::string& alias,
    const std::string& gateway,
    const identity::Domain& where) {
    TRY(const json::Array rows, json::array_member(known, "history"));
    TRY(const std::string named, json::string_member(known, "owner"));
    TRY(const Address owner, parse_address(named));
    TRY(const std::uint64_t current, json::uint_member(known, "version"));
    History out;
    for (const json::Value& row : rows) {
        TRY(const auto binding, identity::parse_alias_binding(json::to_text(row)));
        TRY_VOID(identity::verify(binding, where));
        const identity::AliasBinding& fields = binding.fields;
        if (fields.owner != owner || fields.alias != alias || fields.gateway != gateway ||
            (!out.empty() && fields.version <= out.back().version)) {
            return fail(CommonError::invalid_input,
                fmt::format("the gateway tells of {} what its owner did not sign", alias));
        }
        out.push_back(fields);
    }
    if (out.empty() || out.back().version != current) {
        return fail(CommonError::invalid_input,
            fmt::format("the gateway does not tell version {} of {}", current, alias));
    }
    return out;
}

/// What `owner` bound in that version; 0: in the one before the last.
Result<std::string> cid_of_version(
    const History& history, const Address& owner, std::uint64_t version) {
    if (!history.empty() && history.back().owner != owner) {
        return fail(
            CommonError::permission_denied, fmt::format("{} is another's, {}", history.back().alias,
                                                to_string(history.back().owner)));
    }
    for (const identity::AliasBinding& one : history | std::views::reverse) {
        const bool is_meant =
            version == 0 ? one.version < history.back().version : one.version == version;
        if (is_meant) {
            return one.cid;
        }
    }
    return fail_with_help(ClientError::not_found,
        version == 0 ? std::string("there is no earlier version")
                     : fmt::format("version {} is not kept", version),
        "decloud alias show ALIAS lists the versions");
}

async::Task<Outcome> bind_alias(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const Context& context,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& http,
    Workspace workspace,
    client::AccountSigner signer,
    std::string alias,
    std::function<Result<std::string>(const History& history, const Address& owner)> choose) {
    const std::string& gateway = workspace.config.gateway.url;
    CO_TRY(const std::string domain, co_await gateway_domain(http, gateway));
    auto known = co_await ask(http, gateway, "/" + alias);
    if (!known && known.error() != make_error_code(ClientError::not_found)) {
        co_return std::unexpected(std::move(known.error()));
    }
    const identity::Domain where = signature_domain(workspace.config.chain);
    History history;
    if (known) {
        CO_TRY(history, read_history(*known, alias, domain, where));
    }
    const std::uint64_t before = history.empty() ? 0 : history.back().version;
    CO_TRY(const std::string cid, choose(history, signer.address()));
    identity::Signed<identity::AliasBinding> binding{.fields = {.owner = signer.address(),
                                                         .alias = alias,
                                                         .gateway = domain,
                                                         .cid = cid,
                                                         .version = before + 1},
        .signature = {}};
    CO_TRY(binding.signature, signer.sign(identity::digest(binding.fields, where),
                                  identity::typed_data(binding.fields, where)));
    CO_TRY(json::Object done,
        co_await ask(http, gateway, "/" + alias, json::to_text(identity::to_json(binding))));
    const std::string url = url_of(gateway, alias, domain);
    done["url"] = url;
    context.print(done, fmt::format("{}  version {}  {}\n", url, before + 1,
                            cid.empty() ? "stands for nothing" : cid));
    co_return ExitCode::ok;
}

Outcome change(const Context& context,
    const std::string& alias,
    const std::function<Result<std::string>(
        const Workspace&, const History& history, const Address& owner)>& choose) {
    TRY(Workspace workspace, context.open());
    TRY(auto signer, context.account_signer(workspace));
    return run([&](async::Executor executor) {
        return with_http(executor, [&](net::http::Client& http) {
            return bind_alias(context, http, workspace, signer, alias,
                [&](const History& history, const Address& owner) {
                    return choose(workspace, history, owner);
                });
        });
    });
}

/// A cid in its usual form, of a cid or of a name of this home's.
Result<std::string> resolve(const Workspace& workspace, const std::string& target) {
    if (target.empty()) {
        return std::string();
    }
    if (const auto cid = multiformats::Cid::parse(target)) {
        return cid->to_string();
    }
    TRY(const auto deployments, client::Deployments::load(workspace.home.deployments_file()));
    TRY(const auto match, deployments.resolve(target));
    return match.version.cid;
}

Outcome show(const Context& context, const std::string& alias) {
    TRY(const Workspace workspace, context.open());
    return run([&](async::Executor executor) {
        return with_http(executor, [&](net::http::Client& http) -> async::Task<Outcome> {
            CO_TRY(const json::Object known,
                co_await ask(http, workspace.config.gateway.url, "/" + alias));
            CO_TRY(const std::string domain,
                co_await gateway_domain(http, workspace.config.gateway.url));
            CO_TRY(const History history,
                read_history(known, alias, domain, signature_domain(workspace.config.chain)));
            std::string text =
                fmt::format("{}  owner {}\n", alias, to_string(history.back().owner));
            for (const identity::AliasBinding& one : history | std::views::reverse) {
                text +=
                    fmt::format("{:>8}  {}\n", one.version, one.cid.empty() ? "nothing" : one.cid);
            }
            context.print(known, text);
            co_return ExitCode::ok;
        });
    });
}

}  // namespace

void add_alias_verbs(CLI::App& app, Context& context) {
    CLI::App* verb = app.add_subcommand(
        "alias", "Stable addresses of functions at your gateway: http://ALIAS.fn.GATEWAY/");
    verb->require_subcommand(1);
    const auto options = std::make_shared<AliasOptions>();
    CLI::App* set = verb->add_subcommand("set", "Have an alias stand for a deployment");
    set->add_option(
           "alias", options->alias, "Letters, digits, hyphens; whoever binds it first owns it")
        ->required();
    set->add_option("function", options->target, "A name of this home, or a content id")
        ->required();
    set->callback([&context, options] {
        context.action = [&context, options] {
            return change(context, options->alias,
                [options](const Workspace& workspace, const History& /*known*/,
                    const Address& /*owner*/) { return resolve(workspace, options->target); });
        };
    });
    CLI::App* unset = verb->add_subcommand("unset", "Have it stand for nothing; it stays yours");
    unset->add_option("alias", options->alias, "The alias")->required();
    unset->callback([&context, options] {
        context.action = [&context, options] {
            return change(context, options->alias,
                [](const Workspace& /*home*/, const History& /*known*/, const Address& /*owner*/) {
                    return Result<std::string>(std::string());
                });
        };
    });
    CLI::App* rollback = verb->add_subcommand("rollback", "Back to what it stood for before");
    rollback->add_option("alias", options->alias, "The alias")->required();
    rollback->add_option("--to", options->version, "That version, not the one before")
        ->type_name("VERSION");
    rollback->callback([&context, options] {
        context.action = [&context, options] {
            return change(context, options->alias,
                [options](const Workspace& /*home*/, const History& known, const Address& owner) {
                    return cid_of_version(known, owner, options->version);
                });
        };
    });
    CLI::App* shower = verb->add_subcommand("show", "What it stands for, and stood for before");
    shower->add_option("alias", options->alias, "The alias")->required();
    shower->callback([&context, options] {
        context.action = [&context, options] { return show(context, options->alias); };
    });
}

}  // namespace decloud::cli
