#include "deployments.hpp"

#include "../content/content_service.hpp"
#include "function_call.hpp"

#include <decloud/async/offload.hpp>
#include <decloud/base/log.hpp>
#include <decloud/content/reader.hpp>
#include <decloud/crypto/aead.hpp>
#include <decloud/identity/jwe.hpp>
#include <decloud/protocol/not_here.hpp>
#include <decloud/protocol/program_encryption.hpp>

#include <algorithm>

namespace decloud::services {

using protocol::Checked;
using protocol::refuse;
using protocol::SignedSpec;
using protocol::Status;

namespace {

constexpr std::string_view kRevokedPrefix = "revoked/";
constexpr std::string_view kRevokedCidPrefix = "revoked-cid/";
/// A program may have failed to compile in time on a busy machine.
constexpr auto kUnfitFor = std::chrono::hours(1);
/// How long a call waits for another that makes the same deployment ready: what that does, fetching
/// and compiling on a busy machine, has limits of its own, which are shorter.
constexpr auto kPatience = std::chrono::minutes(15);
/// Not for this provider, or not signed by its owner.
constexpr int kRefusedForGood = 403;

/// The engine that could not make it ready is this process's.
std::string unfit_key(const std::string& program, const sandbox::Manifest& manifest) {
    return program + "\n" + manifest.runtime + "\n" + manifest.entry;
}

std::unexpected<protocol::Problem> refuse_unfit(const std::string& reason) {
    return refuse(
        502, Status::server_error, "the program of this deployment cannot run: " + reason);
}

std::unexpected<protocol::Problem> refuse_unready() {
    auto refusal = refuse(503, Status::server_error,
        "the provider could not make the program ready yet; nothing was charged");
    refusal.error().headers.emplace_back("Retry-After", "5");
    return refusal;
}

std::unexpected<protocol::Problem> refuse_revoked() {
    return refuse(410, Status::declined, "the owner has revoked this deployment");
}

/// It is not for this provider; another one may run it.
std::unexpected<protocol::Problem> refuse_here(std::string detail, std::string help = {}) {
    auto refusal = refuse(403, Status::declined, std::move(detail), std::move(help));
    refusal.error().headers.emplace_back(protocol::kNotHereHeader, "?1");
    return refusal;
}

bool is_fault_of_package(const Error& error) {
    return error == make_error_code(CommonError::invalid_input) ||
           error == make_error_code(CommonError::limit_exceeded) ||
           error == make_error_code(CommonError::not_found);
}

/// A spec as it came out of the store, and whether it was encrypted.
struct OpenedSpec {
    SignedSpec spec;
    bool encrypted = false;
};

std::unexpected<protocol::Problem> refuse_content(
    const Error& error, const multiformats::Cid& cid) {
    if (error == make_error_code(CommonError::not_found)) {
        return refuse(404, Status::bad_request, "this provider does not hold " + cid.to_string(),
            "decloud deploy sends a deployment to a provider");
    }
    if (error == make_error_code(CommonError::corrupt)) {
        log::error("services", "damaged content is not used: {}", error.message());
        return refuse(500, Status::server_error,
            "content of " + cid.to_string() + " is damaged at this provider; nothing was charged");
    }
    if (error == make_error_code(CommonError::invalid_input)) {
        return refuse(404, Status::bad_request, cid.to_string() + " is not a deployment");
    }
    return std::unexpected(protocol::problem_from(error));
}

Checked<OpenedSpec> open_spec(
    Bytes content, const multiformats::Cid& cid, const std::vector<crypto::RsaPrivateKey>& keys) {
    const bool encrypted = protocol::is_encrypted_spec(as_text(content));
    if (encrypted) {
        const auto jwe = identity::Jwe::parse(as_text(content));
        if (!jwe) {
            return refuse(
                400, Status::bad_request, "the deployment cannot be read: " + jwe.error().detail());
        }
        auto plain = jwe->decrypt(keys);
        if (!plain) {
            return refuse_here("this deployment is not for this provider",
                "decloud deploy --provider names the providers that may run it");
        }
        content = std::move(*plain);
    }
    auto spec = protocol::parse_signed_spec(as_text(content));
    if (!spec) {
        return refuse(encrypted ? 403 : 404, Status::bad_request,
            cid.to_string() + " is not a deployment: " + spec.error().detail());
    }
    return OpenedSpec{std::move(*spec), encrypted};
}

}  // namespace

Deployments::Deployments(async::Executor executor,
    content::BlockStore& blocks,
    content::Pins& pins,
    store::RecordStore& records,
    sandbox::Sandbox& sandbox,
    std::vector<crypto::RsaPrivateKey> keys,
    boost::asio::thread_pool& pool,
    DeploymentsSettings settings)
    : executor_(std::move(executor)),
      blocks_(blocks),
      pins_(pins),
      records_(records),
      sandbox_(sandbox),
      keys_(std::move(keys)),
      pool_(pool),
      settings_(std::move(settings)) {}

async::Task<Result<void>> Deployments::start() {
    CO_TRY(const auto entries,
        co_await async::offload(pool_, [this] { return records_.list(kRevokedPrefix); }));
    for (const auto& [key, value] : entries) {
        CO_TRY(const Bytes32 hash, parse_bytes32(key.substr(kRevokedPrefix.size())));
        revoked_.insert(hash);
    }
    CO_TRY(const auto cids,
        co_await async::offload(pool_, [this] { return records_.list(kRevokedCidPrefix); }));
    for (const auto& [key, value] : cids) {
        revoked_cids_.insert(key.substr(kRevokedCidPrefix.size()));
    }
    co_return Result<void>{};
}

std::shared_ptr<const Deployment> Deployments::find_loaded(const std::string& cid) {
    const auto found = loaded_.find(cid);
    if (found == loaded_.end()) {
        return nullptr;
    }
    recent_.splice(recent_.begin(), recent_, found->second.recent);
    return found->second.deployment;
}

async::Task<Checked<std::shared_ptr<const Deployment>>> Deployments::find(
    multiformats::Cid cid, std::optional<std::string> client) {
    const std::string text = cid.to_v1().to_string();
    if (auto found = find_loaded(text)) {
        co_return found;
    }
    if (revoked_cids_.contains(text)) {
        co_return refuse_revoked();
    }
    if (const protocol::Problem* problem = find_unfit(text)) {
        co_return std::unexpected(*problem);
    }
    Asker asker;
    if (client && settings_.fetcher != nullptr) {
        asker = FetchAsker{.client = std::move(*client),
            .until = std::chrono::steady_clock::now() + settings_.fetch_time};
    }
    // Whoever wants it fetched does not make do with what one finds who does not.
    const std::string key = asker ? text : text + " held";
    if (const auto running = loading_.find(key); running != loading_.end()) {
        const std::shared_ptr<Loading> loading = running->second;
        if (!co_await loading->done.wait(kPatience)) {
            co_return refuse_unready();
        }
        co_return loading->result;
    }
    const auto loading = std::make_shared<Loading>(executor_);
    loading_.emplace(key, loading);
    loading->result = co_await load(std::move(cid), std::move(asker));
    loading_.erase(key);
    loading->done.set();
    if (loading->result) {
        remember(*loading->result);
    }
    co_return loading->result;
}

async::Task<void> Deployments::make_ready(multiformats::Cid cid) {
    const std::string text = cid.to_v1().to_string();
    if (!find_loaded(text) && !revoked_cids_.contains(text) && find_unfit(text) == nullptr) {
        static_cast<void>(co_await load(std::move(cid), {}));
    }
}

async::Task<Checked<Address>> Deployments::owner_of(multiformats::Cid cid) {
    const std::string text = cid.to_v1().to_string();
    if (const auto found = find_loaded(text)) {
        co_return found->spec().owner;
    }
    if (revoked_cids_.contains(text)) {
        co_return refuse_revoked();
    }
    const auto spec = co_await open(std::move(cid));
    if (!spec) {
        co_return std::unexpected(spec.error());
    }
    co_return spec->spec.owner;
}

async::Task<Checked<std::shared_ptr<const Deployment>>> Deployments::load(
    multiformats::Cid cid, Asker asker) {
    auto spec = co_await open(cid, asker);
    if (!spec) {
        co_return std::unexpected(std::move(spec.error()));
    }
    co_return co_await prepare(cid.to_v1().to_string(), std::move(*spec), std::move(asker));
}

async::Task<Checked<Bytes>> Deployments::read(
    multiformats::Cid cid, std::uint64_t max_bytes, Asker asker) {
    const auto read_held = [this, cid, max_bytes] {
        return content::read_file(blocks_, cid, max_bytes);
    };
    auto bytes = co_await async::offload(pool_, read_held);
    if (!bytes && bytes.error() == make_error_code(CommonError::not_found) && asker) {
        auto fetched = co_await settings_.fetcher->fetch(cid, max_bytes, std::move(*asker));
        if (!fetched) {
            co_return std::unexpected(std::move(fetched.error()));
        }
        bytes = co_await async::offload(pool_, read_held);
    }
    if (!bytes) {
        co_return refuse_content(bytes.error(), cid);
    }
    co_return std::move(*bytes);
}

async::Task<Checked<SignedSpec>> Deployments::open(multiformats::Cid cid, Asker asker) {
    if (const protocol::Problem* known = find_unfit(cid.to_v1().to_string());
        known != nullptr && known->http_status == kRefusedForGood) {
        co_return std::unexpected(*known);
    }
    auto content = co_await read(cid, settings_.max_spec_bytes, std::move(asker));
    if (!content) {
        co_return std::unexpected(std::move(content.error()));
    }
    auto opened = co_await async::offload(
        pool_, [this, cid, bytes = std::move(*content)]() mutable -> Checked<OpenedSpec> {
            return open_spec(std::move(bytes), cid, keys_);
        });
    if (!opened) {
        co_return refuse_spec(cid, std::move(opened.error()));
    }
    if (auto checked = check(opened->spec, opened->encrypted); !checked) {
        co_return refuse_spec(cid, std::move(checked.error()));
    }
    co_return std::move(opened->spec);
}

/// The owner's word: for this provider, under this escrow, signed by that account, and not taken
/// back.
Checked<void> Deployments::check(const SignedSpec& spec, bool encrypted) const {
    const identity::Deployment& fields = spec.signature.fields;
    if (revoked_.contains(spec.spec_hash)) {
        return refuse_revoked();
    }
    if (fields.escrow != settings_.domain.escrow || fields.chain_id != settings_.domain.chain_id) {
        return refuse_here("this deployment was signed for another escrow or chain");
    }
    if (auto verified = identity::verify(spec.signature, settings_.domain); !verified) {
        return refuse(403, Status::invalid_signature,
            "the owner's signature is not valid: " + verified.error().detail());
    }
    const bool is_public = fields.providers.empty() && !encrypted;
    const bool names_us =
        std::ranges::find(fields.providers, settings_.provider_node) != fields.providers.end();
    if (!is_public && !names_us) {
        return refuse_here("the owner has not named this provider",
            "decloud deploy --provider names the providers that may run it");
    }
    const bool key_named = std::ranges::any_of(keys_, [&fields](const crypto::RsaPrivateKey& key) {
        return std::ranges::find(fields.key_thumbprints, key.public_key().thumbprint()) !=
               fields.key_thumbprints.end();
    });
    if (encrypted && !key_named) {
        return refuse_here("the owner has not named a key of this provider");
    }
    return {};
}

async::Task<Checked<Bytes>> Deployments::load_package(SignedSpec signed_spec, Asker asker) {
    const protocol::DeploymentSpec& spec = signed_spec.spec;
    auto content = co_await read(spec.program, settings_.max_package_bytes, std::move(asker));
    if (content && spec.program_key) {
        auto plain = protocol::open_program(*spec.program_key, *content);
        if (!plain) {
            co_return refuse_here("the program cannot be decrypted");
        }
        co_return std::move(*plain);
    }
    co_return content;
}

async::Task<Checked<Deployments::Made>> Deployments::make_artifact(
    SignedSpec signed_spec, std::string program, sandbox::Manifest manifest, Asker asker) {
    const std::string owner = to_string(signed_spec.spec.owner);
    if (sandbox_.is_prepared(program, owner, manifest)) {
        auto artifact = co_await sandbox_.prepare(program, owner, {}, manifest);
        if (artifact || artifact.error() != make_error_code(CommonError::not_found)) {
            co_return artifact;
        }
        // What was kept of it turned out to be unusable.
    }
    auto package = co_await load_package(std::move(signed_spec), std::move(asker));
    if (!package) {
        co_return std::unexpected(std::move(package.error()));
    }
    co_return co_await sandbox_.prepare(program, owner, std::move(*package), manifest);
}

async::Task<Checked<std::shared_ptr<const Deployment>>> Deployments::prepare(
    std::string cid, SignedSpec signed_spec, Asker asker) {
    const protocol::DeploymentSpec& spec = signed_spec.spec;
    sandbox::Manifest manifest = sandbox_manifest(spec.manifest);
    auto egress = make_egress(executor_, spec.manifest.egress, settings_.egress);
    if (!egress) {
        auto refusal = refuse_unfit(egress.error().detail());
        remember_unfit(cid, refusal.error());
        co_return refusal;
    }
    manifest.egress = std::move(*egress);
    const std::string program = spec.program.to_v1().to_string();
    if (const auto accepted = sandbox_.accepts(manifest); !accepted) {
        auto refusal = refuse_unfit(accepted.error().detail());
        remember_unfit(cid, refusal.error());
        co_return refusal;
    }
    if (const protocol::Problem* known = find_unfit(unfit_key(program, manifest))) {
        // Remembering one may forget the other.
        protocol::Problem problem = *known;
        remember_unfit(cid, problem);
        co_return std::unexpected(std::move(problem));
    }
    auto artifact = co_await make_artifact(signed_spec, program, manifest, std::move(asker));
    if (!artifact) {
        co_return std::unexpected(std::move(artifact.error()));
    }
    if (const auto& made = *artifact; !made) {
        const Error& error = made.error();
        log::warning("services", "deployment {} cannot run: {}", cid, error.message());
        if (!is_fault_of_package(error)) {
            co_return refuse_unready();
        }
        auto refusal = refuse_unfit(error.detail());
        remember_unfit(cid, refusal.error());
        remember_unfit(unfit_key(program, manifest), refusal.error());
        co_return refusal;
    }
    auto deployment = std::make_shared<Deployment>(Deployment{.cid = std::move(cid),
        .signed_spec = std::move(signed_spec),
        .artifact = std::move(**artifact),
        .limits = manifest.limits,
        .variables = {},
        .program = std::make_shared<const std::string>(program)});
    deployment->variables = deployment->spec().environment;
    deployment->variables.insert(deployment->variables.end(), deployment->spec().secrets.begin(),
        deployment->spec().secrets.end());
    co_return std::shared_ptr<const Deployment>(std::move(deployment));
}

void Deployments::remember(const std::shared_ptr<const Deployment>& deployment) {
    if (revoked_.contains(deployment->signed_spec.spec_hash) || loaded_.contains(deployment->cid)) {
        return;
    }
    recent_.push_front(deployment->cid);
    loaded_[deployment->cid] = Entry{deployment, recent_.begin()};
    while (loaded_.size() > settings_.max_loaded) {
        release_one();
    }
}

bool Deployments::release_one() {
    if (recent_.empty()) {
        return false;
    }
    loaded_.erase(recent_.back());
    recent_.pop_back();
    return true;
}

void Deployments::remember_unfit(std::string key, protocol::Problem problem) {
    const auto until = std::chrono::steady_clock::now() + kUnfitFor;
    if (!unfit_.insert_or_assign(key, Unfit{std::move(problem), until}).second) {
        return;
    }
    unfit_order_.push_back(std::move(key));
    while (unfit_order_.size() > settings_.max_unfit) {
        unfit_.erase(unfit_order_.front());
        unfit_order_.pop_front();
    }
}

std::unexpected<protocol::Problem> Deployments::refuse_spec(
    const multiformats::Cid& cid, protocol::Problem problem) {
    if (problem.http_status == kRefusedForGood) {
        remember_unfit(cid.to_v1().to_string(), problem);
    }
    return std::unexpected(std::move(problem));
}

const protocol::Problem* Deployments::find_unfit(const std::string& key) const {
    const auto found = unfit_.find(key);
    const bool holds =
        found != unfit_.end() && std::chrono::steady_clock::now() < found->second.until;
    return holds ? &found->second.problem : nullptr;
}

async::Task<Checked<void>> Deployments::revoke(
    multiformats::Cid cid, identity::Signed<identity::Revocation> revocation) {
    auto spec = co_await open(cid);
    if (!spec) {
        co_return std::unexpected(std::move(spec.error()));
    }
    const identity::Revocation& fields = revocation.fields;
    const auto verified = identity::verify(revocation, settings_.domain);
    if (!verified || fields.owner != spec->spec.owner || fields.spec_hash != spec->spec_hash) {
        co_return refuse(403, Status::invalid_signature,
            "the revocation is not signed by the deployment's owner");
    }
    const std::string text = cid.to_v1().to_string();
    const auto saved = co_await async::offload(
        pool_, [this, hash = spec->spec_hash, &text, &cid, &fields]() -> Result<void> {
            TRY_VOID(records_.put(std::string(kRevokedPrefix) + to_string(hash), {}));
            TRY_VOID(records_.put(std::string(kRevokedCidPrefix) + text, {}));
            TRY_VOID(pins_.unpin_reason(to_string(fields.owner), deployment_pin(cid)));
            return {};
        });
    if (!saved) {
        co_return std::unexpected(protocol::problem_from(saved.error()));
    }
    revoked_.insert(spec->spec_hash);
    revoked_cids_.insert(text);
    unfit_.erase(text);
    if (const auto found = loaded_.find(text); found != loaded_.end()) {
        recent_.erase(found->second.recent);
        loaded_.erase(found);
    }
    log::info(
        "services", "deployment {} was revoked by its owner {}", text, to_string(fields.owner));
    co_return Checked<void>{};
}

}  // namespace decloud::services
