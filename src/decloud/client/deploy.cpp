#include "deploy.hpp"

#include "error.hpp"
#include "http.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/content/block_store.hpp>
#include <decloud/content/car_transfer.hpp>
#include <decloud/content/importer.hpp>
#include <decloud/crypto/hash.hpp>
#include <decloud/crypto/random.hpp>
#include <decloud/identity/jwe.hpp>
#include <decloud/protocol/payment_header.hpp>
#include <decloud/protocol/program_encryption.hpp>
#include <decloud/protocol/request_digest.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace decloud::client {

namespace {

constexpr std::uint64_t kMaxCar = std::uint64_t{1} << 30U;
constexpr std::uint64_t kMaxAnswer = 1U << 20U;
/// A day, in milliseconds: what a spec may ask for.
constexpr std::uint64_t kLongestWall = 86'400'000;
constexpr std::uint64_t kAuthorizationSeconds = 300;
constexpr std::string_view kImportTarget = "/oc/v1/content/import";

Bytes32 terms_hash(const std::string& terms) {
    return terms.empty() ? Bytes32{} : Bytes32{crypto::sha256(terms)};
}

Result<std::vector<crypto::RsaPublicKey>> recipients(
    const std::vector<registry::Provider>& providers) {
    std::vector<crypto::RsaPublicKey> out;
    for (const registry::Provider& provider : providers) {
        if (!provider.rsa_key) {
            return fail_with_help(ClientError::usage,
                provider.name.full() +
                    " has no key in the registry, so it runs only what is public",
                "deploy with --public, or to another provider");
        }
        out.push_back(*provider.rsa_key);
    }
    return out;
}

Result<identity::Signed<identity::Deployment>> sign_spec(const DeploymentPlan& plan,
    const std::vector<registry::Provider>& providers,
    const AccountSigner& owner,
    const identity::Domain& domain) {
    TRY(const std::string canonical, protocol::canonical_spec(plan.spec));
    identity::Deployment fields{.spec_hash = Bytes32{crypto::sha256(canonical)},
        .owner = owner.address(),
        .providers = {},
        .key_thumbprints = {},
        .terms_hash = terms_hash(plan.spec.terms),
        .escrow = domain.escrow,
        .chain_id = domain.chain_id,
        .max_price = plan.spec.max_price.units(),
        .created = plan.spec.created.value};
    if (!plan.is_public) {
        for (const registry::Provider& provider : providers) {
            fields.providers.push_back(provider.name.node());
            if (provider.rsa_key) {
                fields.key_thumbprints.push_back(provider.rsa_key->thumbprint());
            }
        }
    }
    return owner.sign(std::move(fields), domain);
}

net::Url url_with_target(const net::Url& base, std::string_view target) {
    net::Url url = base;
    url.target = std::string(target);
    return url;
}

/// What `/.well-known/decloud` says of what functions get.
struct ProviderLimits {
    std::chrono::milliseconds longest_run{};
    net::HostRules egress;
};

Result<ProviderLimits> read_limits(std::string_view text, const std::string& runtime) {
    TRY(const json::Value body, json::parse(text));
    if (!body.is_object()) {
        return fail(CommonError::invalid_input, "not an object");
    }
    TRY(const json::Object limits, json::object_member(body.get_object(), "limits"));
    TRY(const json::Object row, json::object_member(limits, runtime));
    TRY(const std::uint64_t most, json::uint_member(row, "wallMilliseconds"));
    ProviderLimits out;
    out.longest_run = std::chrono::milliseconds(std::min(most, kLongestWall));
    if (body.get_object().contains("egress")) {
        TRY(const json::Array hosts, json::array_member(body.get_object(), "egress"));
        std::vector<std::string> texts;
        for (const json::Value& host : hosts) {
            texts.emplace_back(host.is_string() ? std::string_view(host.get_string()) : "");
        }
        TRY(out.egress, net::parse_host_rules(texts));
    }
    return out;
}

async::Task<Result<void>> send_to_one(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& client,
    registry::Provider provider,
    const Bytes& car,
    const AccountSigner& owner,
    identity::Domain domain,
    UnixSeconds now
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    const crypto::Sha256Digest digest = crypto::sha256(car);
    CO_TRY(const std::string payment, authorize({.method = "POST",
                                                    .target = std::string(kImportTarget),
                                                    .content_digest = digest,
                                                    .provider = provider.address,
                                                    .max_price = {}},
                                          owner, domain, now));
    net::http::ClientRequest request;
    request.method = "POST";
    request.headers.set("Content-Type", "application/vnd.ipld.car");
    request.headers.set("Content-Digest", protocol::format_content_digest(digest));
    request.headers.set("OpenCloud-Payment", payment);
    request.body = car;
    CO_TRY_VOID(co_await fetch(
        client, url_with_target(provider.url, kImportTarget), std::move(request), kMaxAnswer));
    co_return Result<void>{};
}

async::Task<Result<void>> revoke_at_one(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& client,
    registry::Provider provider,
    std::string cid,
    std::string statement) {
    net::http::ClientRequest request;
    request.method = "POST";
    request.headers.set("Content-Type", "application/json");
    request.body = to_bytes(statement);
    auto answer = co_await fetch(client,
        url_with_target(provider.url, "/oc/v1/compute/revoke?arg=" + percent_encode(cid)),
        std::move(request), kMaxAnswer);
    if (!answer && answer.error() != make_error_code(ClientError::gone)) {
        co_return fail(std::move(answer.error()));
    }
    co_return Result<void>{};
}

}  // namespace

Result<DeploymentPlan> make_plan(const Project& project,
    Bytes package,
    const protocol::Variables& secrets,
    const Address& owner,
    PlanOptions options) {
    if (options.is_public && !secrets.empty()) {
        return fail_with_help(ClientError::usage,
            project.manifest.name + " has secrets, and anybody can read a public deployment",
            "decloud secret remove " + project.manifest.name + " KEY, or deploy without --public");
    }
    if (options.is_public && options.encrypt_program) {
        return fail(ClientError::usage,
            "an encrypted program's key would be public with --public: choose one of the two");
    }
    std::optional<Bytes> key;
    if (options.encrypt_program) {
        TRY(protocol::SealedProgram sealed, protocol::seal_program(package));
        package = std::move(sealed.content);
        key = std::move(sealed.key);
    }
    const auto store = content::make_memory_block_store();
    TRY(const auto entry, content::import_bytes(*store, package));
    return DeploymentPlan{.spec = {.program = entry.cid,
                              .program_key = std::move(key),
                              .manifest = project.manifest,
                              .environment = project.environment,
                              .secrets = secrets,
                              .terms = project.terms,
                              .owner_pays = project.owner_pays,
                              .max_price = project.price,
                              .created = {},
                              .owner = owner},
        .program = std::move(package),
        .is_public = options.is_public};
}

Result<std::string> fingerprint(const DeploymentPlan& plan,
    const std::vector<registry::Provider>& providers,
    const identity::Domain& domain) {
    protocol::DeploymentSpec spec = plan.spec;
    spec.created = {};
    TRY(std::string text, protocol::canonical_spec(spec));
    text += plan.is_public ? "\npublic" : "\nprivate";
    text += "\n" + std::to_string(domain.chain_id) + " " + to_string(domain.escrow);
    std::vector<std::string> lines;
    lines.reserve(providers.size());
    for (const registry::Provider& provider : providers) {
        lines.push_back("\n" + provider.name.full() + " " + to_string(provider.address) + " " +
                        (provider.rsa_key ? provider.rsa_key->key_id() : ""));
    }
    std::ranges::sort(lines);
    for (const std::string& line : lines) {
        text += line;
    }
    return to_hex(crypto::sha256(text));
}

Result<SealedDeployment> seal_deployment(const DeploymentPlan& plan,
    const std::vector<registry::Provider>& providers,
    const AccountSigner& owner,
    const identity::Domain& domain) {
    TRY(const auto signature, sign_spec(plan, providers, owner, domain));
    TRY(std::string text, protocol::serialize_signed_spec(plan.spec, signature));
    if (!plan.is_public) {
        TRY(const auto keys, recipients(providers));
        TRY(text, identity::encrypt_jwe(as_bytes(text), keys));
    }
    const auto store = content::make_memory_block_store();
    TRY(const auto program, content::import_bytes(*store, plan.program));
    TRY(const auto spec, content::import_bytes(*store, as_bytes(text)));
    if (program.cid != plan.spec.program) {
        return fail(CommonError::internal, "the program is not what its spec names");
    }
    TRY(Bytes car, content::car_export(*store, {spec.cid, program.cid}, kMaxCar));
    return SealedDeployment{
        .cid = spec.cid, .spec_hash = signature.fields.spec_hash, .car = std::move(car)};
}

Result<std::string> authorize(const AuthorizedRequest& request,
    const AccountSigner& key,
    const identity::Domain& domain,
    UnixSeconds now) {
    const std::string audience = protocol::audience(domain.chain_id, request.provider);
    const identity::CallAuthorization fields{.payer = key.address(),
        .provider = request.provider,
        .request_digest = protocol::request_digest({.method = request.method,
            .target = request.target,
            .content_digest = request.content_digest,
            .audience = audience}),
        .max_price = request.max_price.units(),
        .nonce = Bytes32{crypto::random_array<32>()},
        .valid_before = now.value + kAuthorizationSeconds};
    TRY(const auto signed_fields, key.sign(fields, domain));
    TRY(const std::string text, json::canonical(identity::to_json(signed_fields)));
    return protocol::format_attached_payment("authorization", as_bytes(text));
}

async::Task<Result<void>> check_limits(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& client,
    registry::Provider provider,
    protocol::FunctionManifest manifest) {
    const std::chrono::milliseconds wanted = manifest.limits.wall;
    if (wanted <= protocol::FunctionLimits{}.wall && manifest.egress.empty()) {
        co_return Result<void>{};
    }
    const auto answer = co_await fetch(
        client, url_with_target(provider.url, "/.well-known/decloud"), {}, kMaxAnswer);
    const auto limits = answer ? read_limits(as_text(*answer), manifest.runtime)
                               : Result<ProviderLimits>(fail(answer.error()));
    if (limits && wanted > limits->longest_run) {
        co_return fail(CommonError::limit_exceeded,
            fmt::format("{} runs {} programs for at most {} ms, and {} wants {} ms\n"
                        "help: a shorter \"wall\" in [limits] of decloud.toml, or another provider",
                provider.name.full(), manifest.runtime, limits->longest_run.count(), manifest.name,
                wanted.count()));
    }
    if (const auto beyond = limits ? net::first_beyond(manifest.egress, limits->egress)
                                   : std::optional<net::HostRule>()) {
        co_return fail(CommonError::limit_exceeded,
            fmt::format("{} lets functions reach {}, and {} asks for {}\n"
                        "help: another \"egress\" in decloud.toml, or another provider",
                provider.name.full(),
                limits->egress.empty()
                    ? "no other machine"
                    : fmt::format("{} only", fmt::join(net::to_texts(limits->egress), ", ")),
                manifest.name, beyond->to_string()));
    }
    co_return Result<void>{};
}

async::Task<std::vector<ProviderOutcome>> send_content(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& client,
    std::vector<registry::Provider> providers,
    const Bytes& car,
    const AccountSigner& owner,
    identity::Domain domain,
    const Clock& clock
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    std::vector<ProviderOutcome> out;
    for (const registry::Provider& provider : providers) {
        auto sent =
            co_await send_to_one(client, provider, car, owner, domain, clock.unix_seconds());
        out.push_back({provider.name.full(), std::move(sent)});
    }
    co_return out;
}

async::Task<std::vector<ProviderOutcome>> send_revocation(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& client,
    std::vector<registry::Provider> providers,
    std::string cid,
    Bytes32 spec_hash,
    const AccountSigner& owner,
    identity::Domain domain,
    const Clock& clock
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    const auto statement = owner.sign(identity::Revocation{.spec_hash = spec_hash,
                                          .owner = owner.address(),
                                          .created = clock.unix_seconds().value},
        domain);
    std::vector<ProviderOutcome> out;
    for (const registry::Provider& provider : providers) {
        if (!statement) {
            out.push_back({provider.name.full(), fail(statement.error())});
            continue;
        }
        const std::string text = json::to_text(identity::to_json(*statement));
        auto revoked = co_await revoke_at_one(client, provider, cid, text);
        out.push_back({provider.name.full(), std::move(revoked)});
    }
    co_return out;
}

}  // namespace decloud::client
