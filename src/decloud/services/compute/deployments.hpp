#pragma once

#include "content_fetcher.hpp"
#include "egress.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/content/block_store.hpp>
#include <decloud/content/pins.hpp>
#include <decloud/crypto/rsa.hpp>
#include <decloud/identity/signed_structs.hpp>
#include <decloud/multiformats/cid.hpp>
#include <decloud/protocol/deployment.hpp>
#include <decloud/protocol/problem.hpp>
#include <decloud/sandbox/sandbox.hpp>
#include <decloud/store/record_store.hpp>

#include <boost/asio/thread_pool.hpp>

#include <chrono>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace decloud::services {

/// A deployment that may run here: read, decrypted, its owner's signature checked, its program
/// prepared.
struct Deployment {
    std::string cid;
    protocol::SignedSpec signed_spec;
    std::shared_ptr<const sandbox::Artifact> artifact;
    sandbox::Limits limits;
    /// The environment and the secrets, as the program gets them.
    protocol::Variables variables;

    /// The program's content id, version 1.
    std::shared_ptr<const std::string> program;

    /// As the owner wrote it.
    [[nodiscard]] const protocol::DeploymentSpec& spec() const { return signed_spec.spec; }
};

/// Which provider this is, and how much is kept and read.
struct DeploymentsSettings {
    identity::Domain domain;
    /// Namehash of the provider's name: what an owner names.
    Bytes32 provider_node;
    /// Loaded deployments that are kept; the longest unused go first.
    std::size_t max_loaded = 4096;
    /// Programs that are remembered as not fit to run here; the oldest go first.
    std::size_t max_unfit = 4096;
    std::uint64_t max_spec_bytes = 2 * kMiB;
    std::uint64_t max_package_bytes = 256 * kMiB;
    /// Brings what is not held; null: nobody does. Outlives the deployments.
    ContentFetcher* fetcher = nullptr;
    /// For bringing one deployment, its spec and its program.
    std::chrono::milliseconds fetch_time = std::chrono::seconds(30);
    EgressSettings egress{};
};

/// Finds deployments by cid and keeps them ready. Single threaded; what blocks happens on `pool`.
class Deployments {
  public:
    /// All of them outlive this. `keys`: the current RSA key and retired ones.
    Deployments(async::Executor executor,
        content::BlockStore& blocks,
        content::Pins& pins,
        store::RecordStore& records,
        sandbox::Sandbox& sandbox,
        std::vector<crypto::RsaPrivateKey> keys,
        boost::asio::thread_pool& pool,
        DeploymentsSettings settings);

    /// Reads which deployments were revoked. Before anything else.
    [[nodiscard]] async::Task<Result<void>> start();

    /// Problems: 404 not held here; 403 not for this provider, or not signed by its owner; 410
    /// revoked; 400 for what is no deployment; 500 for a damaged block, by name. With a `client`
    /// (as `Call::client`) what is not held is fetched on its account; problems also
    /// `ContentFetcher`'s.
    [[nodiscard]] async::Task<protocol::Checked<std::shared_ptr<const Deployment>>> find(
        multiformats::Cid cid, std::optional<std::string> client = {});

    /// Prepares the program of a deployment that is held, if it may run here, and keeps nothing of
    /// it in memory.
    [[nodiscard]] async::Task<void> make_ready(multiformats::Cid cid);

    /// Who signed a deployment, whether or not it can run here. Problems as `find`.
    [[nodiscard]] async::Task<protocol::Checked<Address>> owner_of(multiformats::Cid cid);

    /// Forgets the longest unused of those that are kept ready. False if there is none.
    bool release_one();

    /// From memory only; null if it is not there under exactly this text.
    [[nodiscard]] std::shared_ptr<const Deployment> find_loaded(const std::string& cid);

    /// Ends a deployment for good and lets go of its content, if its owner signed that. Durable
    /// when it returns. Problems as `find`, and 403.
    [[nodiscard]] async::Task<protocol::Checked<void>> revoke(
        multiformats::Cid cid, identity::Signed<identity::Revocation> revocation);

    /// The key that new specs are to be encrypted to.
    [[nodiscard]] const crypto::RsaPublicKey& current_key() const {
        return keys_.front().public_key();
    }

    /// The current RSA key and retired ones. Never change; may be used from another thread.
    [[nodiscard]] std::span<const crypto::RsaPrivateKey> keys() const { return keys_; }

  private:
    using Found = protocol::Checked<std::shared_ptr<const Deployment>>;
    struct Loading {
        explicit Loading(async::Executor executor) : done(std::move(executor)) {}
        async::Event done;
        Found result;
    };
    struct Entry {
        std::shared_ptr<const Deployment> deployment;
        std::list<std::string>::iterator recent;
    };

    /// For whom a load may fetch; nobody: it may not.
    using Asker = std::optional<FetchAsker>;

    [[nodiscard]] async::Task<Found> load(multiformats::Cid cid, Asker asker);
    [[nodiscard]] async::Task<protocol::Checked<protocol::SignedSpec>> open(
        multiformats::Cid cid, Asker asker = {});
    /// A file that is held, or fetched.
    [[nodiscard]] async::Task<protocol::Checked<Bytes>> read(
        multiformats::Cid cid, std::uint64_t max_bytes, Asker asker);
    [[nodiscard]] protocol::Checked<void> check(
        const protocol::SignedSpec& spec, bool encrypted) const;
    /// The program as a package, decrypted if the spec has its key.
    [[nodiscard]] async::Task<protocol::Checked<Bytes>> load_package(
        protocol::SignedSpec spec, Asker asker);
    /// The sandbox's word on the program; problems are those of finding it.
    using Made = Result<std::shared_ptr<const sandbox::Artifact>>;
    [[nodiscard]] async::Task<protocol::Checked<Made>> make_artifact(
        protocol::SignedSpec spec, std::string program, sandbox::Manifest manifest, Asker asker);
    [[nodiscard]] async::Task<Found> prepare(
        std::string cid, protocol::SignedSpec spec, Asker asker);
    void remember(const std::shared_ptr<const Deployment>& deployment);
    void remember_unfit(std::string key, protocol::Problem problem);
    [[nodiscard]] const protocol::Problem* find_unfit(const std::string& key) const;
    /// A spec's refusal, which stays as it is as long as the keys do.
    [[nodiscard]] std::unexpected<protocol::Problem> refuse_spec(
        const multiformats::Cid& cid, protocol::Problem problem);

    async::Executor executor_;
    content::BlockStore& blocks_;
    content::Pins& pins_;
    store::RecordStore& records_;
    sandbox::Sandbox& sandbox_;
    std::vector<crypto::RsaPrivateKey> keys_;
    boost::asio::thread_pool& pool_;
    DeploymentsSettings settings_;
    std::unordered_map<std::string, Entry> loaded_;
    std::list<std::string> recent_;
    std::unordered_map<std::string, std::shared_ptr<Loading>> loading_;
    std::unordered_set<Bytes32> revoked_;
    /// Their cids, as their content may be gone.
    std::unordered_set<std::string> revoked_cids_;
    struct Unfit {
        protocol::Problem problem;
        std::chrono::steady_clock::time_point until;
    };
    /// What cannot run here: deployments by cid, programs by `unfit_key`, so that neither is
    /// decrypted, verified or compiled again for each call.
    std::unordered_map<std::string, Unfit> unfit_;
    std::deque<std::string> unfit_order_;
};

}  // namespace decloud::services
