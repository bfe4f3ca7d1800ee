#include "admission.hpp"

#include "barring.hpp"
#include "policy_test_support.hpp"

#include <decloud/base/testing/temporary_folder.hpp>
#include <decloud/protocol/quote.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <fstream>

namespace decloud::policy {
namespace {

using protocol::Status;

constexpr const char* kCid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

class PolicyRuleTest : public testing::Test {
  protected:
    void use(const std::string& text) {
        const std::filesystem::path file = folder_.path() / "policy.toml";
        std::ofstream(file) << text;
        rule_.reset();
        auto keeper = PolicyKeeper::open(file);
        ASSERT_TRUE(keeper) << keeper.error().message();
        keeper_ = std::move(*keeper);
        rule_ = make_policy_rule(
            {.usdc = {"eip155:1/erc20:0x01"}}, *keeper_, clock_, metrics::null_registry());
    }
    protocol::Checked<protocol::HeaderFields> check() {
        boost::asio::io_context context;
        auto result = boost::asio::co_spawn(context,
            rule_->check(
                std::make_shared<protocol::Call>(call_), std::make_shared<protocol::Terms>(terms_)),
            boost::asio::use_future);
        context.run();
        return result.get();
    }
    static protocol::Call make_call() {
        protocol::Call call;
        call.service = "compute";
        call.method = "call";
        call.client = "192.0.2.1";
        return call;
    }

    TemporaryFolder folder_;
    ManualClock clock_{UnixSeconds{1'000'000}};
    std::unique_ptr<PolicyKeeper> keeper_;
    std::unique_ptr<protocol::Admission> rule_;
    protocol::Call call_ = make_call();
    protocol::Terms terms_{.asset = {"eip155:1/erc20:0x01"},
        .max_price = Amount(1000),
        .sponsor = std::nullopt,
        .subject = kCid};
};

TEST_F(PolicyRuleTest, DeniesWithTheReasonOfTheFile) {
    use("[[rule]]\nkind = \"ethereum\"\ndeny = true\nreason = \"no accounts\"");
    EXPECT_TRUE(check());
    call_.credentials = {credential(kAnna), credential(kCora)};
    const auto refused = check();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().http_status, 403);
    EXPECT_EQ(refused.error().status, Status::declined);
    EXPECT_EQ(refused.error().detail, "no accounts");
}

TEST_F(PolicyRuleTest, Answers451ForContentByArgumentSubjectOwnerAndName) {
    use(std::string("[[rule]]\ndeny = true\ncid = \"") + kCid + "\"\nname = \"mallory.decloud\"");
    EXPECT_EQ(check().error().http_status, 451);
    terms_.subject.clear();
    EXPECT_TRUE(check());
    call_.args = {"x", kCid};
    EXPECT_EQ(bar_content(*keeper_->current(), call_).error().http_status, 451);
    call_.args.clear();
    call_.service = "paint.mallory.decloud";
    EXPECT_EQ(bar_content(*keeper_->current(), call_).error().http_status, 451);
    call_.service = "paint";
    EXPECT_TRUE(bar_content(*keeper_->current(), call_));
    use("[[rule]]\ndeny = true\nowner = \"" + kCora + "\"");
    terms_.sponsor = protocol::Sponsor{.owner = parse_address(kCora).value(),
        .terms = std::make_shared<const protocol::OwnerPays>(),
        .max_price = {}};
    EXPECT_EQ(check().error().http_status, 451);
}

TEST_F(PolicyRuleTest, Answers451ForWhatAGatewayWouldPassOn) {
    use(std::string("[[rule]]\ndeny = true\ncid = \"") + kCid + "\"\nname = \"mallory.decloud\"");
    const Policy& policy = *keeper_->current();
    const std::string cid = kCid;
    for (const std::string& target :
        {"/" + cid, "/" + cid + "/a?b", "/p/alice/" + cid, "/ipfs/" + cid + "/x",
            "/oc/v1/content/export?x=1&arg=" + cid, "/%62" + cid.substr(1)}) {
        const auto refused = bar_target(policy, target, "alice.decloud");
        ASSERT_FALSE(refused) << target;
        EXPECT_EQ(refused.error().http_status, 451);
    }
    EXPECT_TRUE(bar_target(policy, "/other?" + cid, "alice.decloud"));
    EXPECT_FALSE(bar_target(policy, "/", "mallory.decloud"));
}

TEST_F(PolicyRuleTest, CountsEachCredentialAndElseTheClient) {
    use("[[rule]]\nrate-limit = { per-day = 1 }");
    EXPECT_TRUE(check());
    const auto refused = check();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().http_status, 429);
    EXPECT_EQ(refused.error().headers,
        (std::vector<std::pair<std::string, std::string>>{{"Retry-After", "86400"},
            {"RateLimit", "\"policy\";r=0;t=86400"},
            {"RateLimit-Policy", "\"policy\";q=1;w=86400"}}));
    call_.client = "192.0.2.2";
    EXPECT_TRUE(check());
    call_.credentials = {credential(kAnna)};
    EXPECT_TRUE(check());
    EXPECT_FALSE(check());
    call_.credentials = {credential(kBert), credential(kAnna)};
    EXPECT_FALSE(check());
    call_.credentials = {credential(kBert)};
    EXPECT_TRUE(check());
    clock_.advance(std::chrono::hours(24));
    EXPECT_TRUE(check());
}

TEST_F(PolicyRuleTest, TellsWhoIsCountedWhatIsLeft) {
    use("default = \"allow\"");
    EXPECT_EQ(check(), protocol::HeaderFields());
    use("[[rule]]\nrate-limit = { per-second = 2, burst = 10, per-day = 50_000 }");
    EXPECT_EQ(check(), (protocol::HeaderFields{{"RateLimit", "\"policy\";r=9;t=1"},
                           {"RateLimit-Policy", "\"policy\";q=10;w=5"}}));
    EXPECT_EQ(check().value().front().second, "\"policy\";r=8;t=1");
}

TEST_F(PolicyRuleTest, MeasuresWorkByTheMethodsUnitOrByTheOneThatIsNamed) {
    terms_.units = {{"call", 1}, {"request-kib", 7}};
    use("[[rule]]\nmax-work = 6");
    EXPECT_TRUE(check());
    terms_.unit = "request-kib";
    EXPECT_EQ(check().error().http_status, 403);
    use("[[rule]]\nmax-work = 7");
    EXPECT_TRUE(check());
    use("[[rule]]\nmax-work = { unit = \"cpu-second\", amount = 2 }");
    EXPECT_TRUE(check());
    terms_.units["cpu-second"] = 3;
    EXPECT_EQ(check().error().http_status, 403);
}

TEST_F(PolicyRuleTest, DoesNotDecideThePriceOfAQuoteAgain) {
    use("[[rule]]\nmin-payment = { currency = \"USDC\", amount = 1001 }");
    EXPECT_FALSE(check());
    call_.quote = std::make_shared<const protocol::Quote>();
    EXPECT_TRUE(check());
    use("[[rule]]\ndeny = true");
    EXPECT_EQ(check().error().http_status, 403);
}

TEST_F(PolicyRuleTest, CountsAddressesWhereTheRuleSaysSo) {
    use("[[rule]]\nrate-limit = { per-day = 1, per = \"client\" }");
    call_.credentials = {credential(kAnna)};
    EXPECT_TRUE(check());
    call_.credentials = {credential(kBert)};
    EXPECT_FALSE(check());
}

TEST_F(PolicyRuleTest, RefusesWhatPaysTooLittleInTheNodesToken) {
    use("[[rule]]\nmin-payment = { currency = \"USDC\", amount = 1001 }");
    const auto refused = check();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().http_status, 402);
    EXPECT_EQ(refused.error().status, Status::payment_too_low);
    terms_.max_price = Amount(1001);
    EXPECT_TRUE(check());
}

TEST_F(PolicyRuleTest, DecidesPromisesByTheirParameters) {
    use("[[rule]]\nkind = \"opencloud\"\ndefer = { currency = \"USDC\", amount = 5000, time = "
        "\"1h\" }");
    const auto promise = [this](const std::string& amount, const std::string& due) {
        call_.payment =
            protocol::parse_payment_header("defer;id=\"" + kAnna + "\";amount=" + amount +
                                           ";currency=\"eip155:1/erc20:0x01\";due=" + due)
                .value();
        return check();
    };
    EXPECT_EQ(promise("5000", "1003600").error().status, Status::payment_no_defer);
    call_.credentials = {credential(kAnna)};
    EXPECT_TRUE(promise("5000", "1003600"));
    EXPECT_EQ(promise("5000", "1003601").error().status, Status::payment_no_defer);
    EXPECT_TRUE(promise("5001", "1003600")) << "what is held is the price";
    EXPECT_EQ(promise("999", "1003600").error().status, Status::payment_too_low);
    terms_.max_price = Amount(5001);
    const auto dear = promise("5001", "1003600");
    ASSERT_FALSE(dear);
    EXPECT_EQ(dear.error().status, Status::payment_no_defer);
}

}  // namespace
}  // namespace decloud::policy
