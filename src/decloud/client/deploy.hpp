#pragma once

#include "account_signer.hpp"
#include "deployments.hpp"
#include "project.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/result.hpp>
#include <decloud/crypto/hash.hpp>
#include <decloud/crypto/secp256k1.hpp>
#include <decloud/identity/eip712.hpp>
#include <decloud/net/http/client.hpp>
#include <decloud/protocol/deployment.hpp>
#include <decloud/registry/provider.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace decloud::client {

/// What is to be deployed, but for the time and the signature.
struct DeploymentPlan {
    protocol::DeploymentSpec spec;
    /// What `spec.program` is the cid of: the package, or its encrypted form.
    Bytes program;
    bool is_public = false;
};

/// Who may read a deployment's spec, and whether its program is encrypted too.
struct PlanOptions {
    bool is_public = false;
    bool encrypt_program = false;
};

/// The plan of a project and its package. Error: ClientError::usage for a public one with secrets
/// or an encrypted program.
[[nodiscard]] Result<DeploymentPlan> make_plan(const Project& project,
    Bytes package,
    const protocol::Variables& secrets,
    const Address& owner,
    PlanOptions options);

/// Of everything but the time: an equal one need not be deployed again to the same providers. Of an
/// encrypted program it is never equal, as each has its own key.
[[nodiscard]] Result<std::string> fingerprint(const DeploymentPlan& plan,
    const std::vector<registry::Provider>& providers,
    const identity::Domain& domain);

/// A signed and, unless public, encrypted deployment.
struct SealedDeployment {
    multiformats::Cid cid;
    Bytes32 spec_hash;
    /// CARv1 with the spec and the program as roots.
    Bytes car;
};

/// Errors: ClientError::usage if a provider has no RSA key and the deployment is not public.
[[nodiscard]] Result<SealedDeployment> seal_deployment(const DeploymentPlan& plan,
    const std::vector<registry::Provider>& providers,
    const AccountSigner& owner,
    const identity::Domain& domain);

/// What one provider said.
struct ProviderOutcome {
    std::string provider;
    Result<void> result;
};

/// Whether a provider says that it runs programs as long as the manifest wants, and lets them reach
/// the hosts that it asks for. It is not asked about what every provider allows (15 s and no
/// hosts); one that says nothing decides when it is called. Errors: CommonError::limit_exceeded,
/// which names both; ClientError::usage for hosts that no provider's runtime can reach.
[[nodiscard]] async::Task<Result<void>> check_limits(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& client,
    registry::Provider provider,
    protocol::FunctionManifest manifest);

/// The request that an authorisation is for.
struct AuthorizedRequest {
    std::string method;
    /// As it is sent.
    std::string target;
    crypto::Sha256Digest content_digest;
    Address provider;
    Amount max_price;
};
/// The value of `OpenCloud-Payment` for one request: a `CallAuthorization` of `key`, valid for five
/// minutes, with a fresh nonce.
[[nodiscard]] Result<std::string> authorize(const AuthorizedRequest& request,
    const AccountSigner& key,
    const identity::Domain& domain,
    UnixSeconds now);

/// Sends a CAR to each provider with the owner's authorisation. One result for each, in order.
[[nodiscard]] async::Task<std::vector<ProviderOutcome>> send_content(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& client,
    std::vector<registry::Provider> providers,
    const Bytes& car,
    const AccountSigner& owner,
    identity::Domain domain,
    const Clock& clock
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
);

/// Sends a signed `Revocation` of one deployment to each provider.
[[nodiscard]] async::Task<std::vector<ProviderOutcome>> send_revocation(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& client,
    std::vector<registry::Provider> providers,
    std::string cid,
    Bytes32 spec_hash,
    const AccountSigner& owner,
    identity::Domain domain,
    const Clock& clock
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
);

/// Keeps a plan under its cid (0600), so that a new version can be made of it. Blocks.
[[nodiscard]] Result<void> save_plan(
    const std::filesystem::path& folder, const std::string& cid, const DeploymentPlan& plan);
/// Errors: not_found, corrupt.
[[nodiscard]] Result<DeploymentPlan> load_plan(
    const std::filesystem::path& folder, const std::string& cid);

}  // namespace decloud::client
