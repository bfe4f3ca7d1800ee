#include "deployments.hpp"

#include "../content/content_service.hpp"
#include "early_preparation.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/content/importer.hpp>
#include <decloud/crypto/hash.hpp>
#include <decloud/payments/ledger_test_support.hpp>

#include <gtest/gtest.h>

namespace decloud::services {
namespace {

using protocol::Checked;

/// Takes every package but "broken", and counts.
class CountingRuntime final : public sandbox::Runtime {
  public:
    class Program final : public sandbox::Artifact {
      public:
        explicit Program(std::string key) : Artifact("counting", std::move(key)) {}
    };
    CountingRuntime(int& prepared, bool& has_way_out)
        : prepared_(prepared), has_way_out_(has_way_out) {}

    async::Task<Result<std::shared_ptr<const sandbox::Artifact>>> prepare(std::string key,
        std::string /*isolation*/,
        Bytes package,
        sandbox::Manifest manifest) override {
        ++prepared_;
        has_way_out_ = manifest.egress != nullptr;
        if (as_text(package) == "broken") {
            co_return fail(CommonError::invalid_input, "it is broken");
        }
        co_return std::make_shared<const Program>(std::move(key));
    }
    [[nodiscard]] bool is_prepared(
        const std::string&, const std::string&, const sandbox::Manifest&) const override {
        return false;
    }
    async::Task<sandbox::Outcome> invoke(std::shared_ptr<const sandbox::Artifact>,
        sandbox::Environment,
        std::shared_ptr<sandbox::BodySource>,
        std::shared_ptr<sandbox::ResponseSink>,
        sandbox::Limits,
        async::CancellationToken) override {
        co_return sandbox::sandbox_failure("nothing is run here");
    }
    async::Task<void> stop() override { co_return; }

  private:
    int& prepared_;
    bool& has_way_out_;
};

class DeploymentsTest : public ::testing::Test {
  protected:
    DeploymentsTest() {
        sandbox_.register_runtime("counting",
            [this](async::Executor, const sandbox::SandboxSettings&,
                boost::asio::thread_pool&) -> std::unique_ptr<sandbox::Runtime> {
                return std::make_unique<CountingRuntime>(prepared_, has_way_out_);
            });
        restart();
    }
    void TearDown() override {
        run([this]() -> async::Task<void> { co_await sandbox_.stop(); });
        pool_.join();
    }

    void run(std::function<async::Task<void>()> work) {
        async::TaskGroup group(context_.get_executor());
        group.spawn(work());
        context_.restart();
        context_.run();
    }

    void restart(std::size_t max_unfit = 100) {
        deployments_ = std::make_unique<Deployments>(context_.get_executor(), *blocks_, *pins_,
            *records_, sandbox_, std::vector<crypto::RsaPrivateKey>{}, pool_,
            DeploymentsSettings{.domain = domain_,
                .provider_node = {},
                .max_unfit = max_unfit,
                .egress = {.hosts = net::parse_host_rules({"*.example.com"}).value()}});
        run([this]() -> async::Task<void> { EXPECT_TRUE(co_await deployments_->start()); });
    }

    /// A public deployment, pinned as an import pins it.
    multiformats::Cid deploy(const std::string& name,
        std::string_view package,
        const std::vector<std::string>& hosts = {}) {
        protocol::DeploymentSpec spec{
            .program = content::import_bytes(*blocks_, as_bytes(package))->cid,
            .program_key = {},
            .manifest = {.name = name,
                .runtime = "counting",
                .entry = "main",
                .limits = {},
                .egress = net::parse_host_rules(hosts).value()},
            .environment = {},
            .secrets = {},
            .terms = "",
            .owner_pays = {},
            .max_price = Amount(1000),
            .created = {1'700'000'000},
            .owner = owner_.address()};
        identity::Deployment fields;
        fields.spec_hash = Bytes32{crypto::sha256(protocol::canonical_spec(spec).value())};
        fields.owner = spec.owner;
        fields.chain_id = domain_.chain_id;
        fields.escrow = domain_.escrow;
        fields.max_price = spec.max_price.units();
        fields.created = spec.created.value;
        const auto text =
            protocol::serialize_signed_spec(spec, identity::sign(fields, domain_, owner_).value());
        const auto cid = content::import_bytes(*blocks_, as_bytes(text.value()))->cid;
        for (const multiformats::Cid& root : {cid, spec.program}) {
            EXPECT_TRUE(pins_->pin(
                {.root = root, .owner = to_string(spec.owner), .reason = deployment_pin(cid)}));
        }
        hashes_[cid.to_string()] = fields.spec_hash;
        return cid;
    }

    /// 200, or the status of the refusal.
    int find(const multiformats::Cid& cid) {
        int status = 0;
        run([&]() -> async::Task<void> {
            const auto found = co_await deployments_->find(cid);
            status = found ? 200 : found.error().http_status;
        });
        return status;
    }

    multiformats::Cid no_deployment() {
        return content::import_bytes(*blocks_, as_bytes("no deployment"))->cid;
    }

    bool revoke(const multiformats::Cid& cid) {
        const auto statement =
            identity::sign(identity::Revocation{.spec_hash = hashes_.at(cid.to_string()),
                               .owner = owner_.address(),
                               .created = 1'700'000'001},
                domain_, owner_);
        bool done = false;
        run([&]() -> async::Task<void> {
            done = (co_await deployments_->revoke(cid, statement.value())).has_value();
        });
        return done;
    }

    TemporaryFolder folder_;
    boost::asio::io_context context_;
    boost::asio::thread_pool pool_{1};
    identity::Domain domain_{.chain_id = 31337, .escrow = {}};
    crypto::Secp256k1PrivateKey owner_ = crypto::Secp256k1PrivateKey::generate();
    std::unique_ptr<content::BlockStore> blocks_ = content::make_memory_block_store();
    std::unique_ptr<content::Pins> pins_ = *content::open_pins(folder_.path() / "pins.sqlite");
    std::unique_ptr<store::RecordStore> records_ =
        *store::RecordStore::open(folder_.path() / "records.sqlite");
    bool has_way_out_ = false;
    int prepared_ = 0;
    sandbox::Sandbox sandbox_{context_.get_executor(), [this] {
                                  sandbox::SandboxSettings settings;
                                  settings.cache_dir = folder_.path() / "cache";
                                  return settings;
                              }()};
    std::unique_ptr<Deployments> deployments_;
    std::map<std::string, Bytes32> hashes_;
};

TEST_F(DeploymentsTest, ReachesTheHostsThatTheProviderAllowsOrDoesNotRun) {
    EXPECT_EQ(find(deploy("inside", "program", {"api.example.com", "*.a.example.com:443"})), 200);
    EXPECT_TRUE(has_way_out_);
    EXPECT_EQ(find(deploy("none", "program")), 200);
    EXPECT_FALSE(has_way_out_);
    const int before = prepared_;
    EXPECT_EQ(find(deploy("partly", "program", {"api.example.com", "example.org"})), 502);
    EXPECT_EQ(find(deploy("any", "program", {"*"})), 502);
    EXPECT_EQ(prepared_, before);
}

TEST_F(DeploymentsTest, AProgramThatCannotRunIsTriedOnce) {
    const auto first = deploy("first", "broken");
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(find(first), 502);
    }
    EXPECT_EQ(prepared_, 1);
    EXPECT_EQ(find(deploy("second", "broken")), 502);
    EXPECT_EQ(prepared_, 1);
    EXPECT_EQ(find(deploy("third", "whole")), 200);
    EXPECT_EQ(prepared_, 2);
}

TEST_F(DeploymentsTest, AreMadeReadyOneAfterTheOtherBeforeTheyAreCalled) {
    const auto broken = deploy("first", "broken");
    const auto whole = deploy("second", "whole");
    EarlyPreparation early(context_.get_executor(), *deployments_);
    for (const auto& cid : {broken, no_deployment(), whole}) {
        early.add(cid);
    }
    EXPECT_EQ(prepared_, 0);
    context_.restart();
    context_.run();
    EXPECT_EQ(prepared_, 2);
    EXPECT_EQ(deployments_->find_loaded(whole.to_string()), nullptr);
    EXPECT_EQ(find(broken), 502);
    EXPECT_EQ(prepared_, 2);
    run([&early]() -> async::Task<void> { co_await early.stop(); });
}

TEST_F(DeploymentsTest, NoneIsMadeReadyBeforeItsCallThatIsRevokedOrComesTooLate) {
    const auto revoked = deploy("revoked", "one");
    EXPECT_TRUE(revoke(revoked));
    EarlyPreparation early(context_.get_executor(), *deployments_);
    early.add(revoked);
    run([&early]() -> async::Task<void> { co_await early.stop(); });
    early.add(deploy("late", "two"));
    context_.restart();
    context_.run();
    EXPECT_EQ(prepared_, 0);
}

TEST_F(DeploymentsTest, OnlySoManyUnfitProgramsAreRemembered) {
    restart(2);
    const auto first = deploy("first", "broken");
    EXPECT_EQ(find(first), 502);
    const auto second = deploy("second", "broken");
    const auto third = deploy("third", "broken");
    EXPECT_EQ(find(second), 502);
    EXPECT_EQ(find(third), 502);
    const int before = prepared_;
    EXPECT_EQ(find(first), 502);
    EXPECT_EQ(prepared_, before + 1);
}

TEST_F(DeploymentsTest, TheLongestUnusedIsReleasedFirst) {
    const auto first = deploy("first", "one");
    const auto second = deploy("second", "two");
    EXPECT_FALSE(deployments_->release_one());
    EXPECT_EQ(find(first), 200);
    EXPECT_EQ(find(second), 200);
    EXPECT_EQ(find(first), 200);
    EXPECT_TRUE(deployments_->release_one());
    EXPECT_EQ(deployments_->find_loaded(second.to_string()), nullptr);
    EXPECT_NE(deployments_->find_loaded(first.to_string()), nullptr);
}

TEST_F(DeploymentsTest, ARevokedOneIsUnpinnedButForWhatOthersNeed) {
    const auto revoked = deploy("revoked", "shared");
    const auto other = deploy("other", "shared");
    EXPECT_EQ(pins_->list()->size(), 4U);
    EXPECT_TRUE(revoke(revoked));
    EXPECT_EQ(pins_->list()->size(), 2U);
    EXPECT_EQ(pins_->is_pinned(revoked), false);
    EXPECT_EQ(find(revoked), 410);
    EXPECT_EQ(find(other), 200);
}

TEST_F(DeploymentsTest, ARevokedOneStaysRevokedWhenItsContentIsGone) {
    const auto cid = deploy("revoked", "one");
    EXPECT_EQ(find(cid), 200);
    EXPECT_TRUE(revoke(cid));
    ASSERT_TRUE(blocks_->remove(cid));
    EXPECT_EQ(find(cid), 410);
    restart();
    EXPECT_EQ(find(cid), 410);
}

}  // namespace
}  // namespace decloud::services
