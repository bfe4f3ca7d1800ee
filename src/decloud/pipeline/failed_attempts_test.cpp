#include "failed_attempts.hpp"

#include <gtest/gtest.h>

namespace decloud::pipeline {
namespace {

using protocol::Status;

class FailedAttemptsTest : public testing::Test {
  protected:
    void fail(std::string_view client, Status status = Status::invalid_signature, int http = 401) {
        rule_->refused(client, protocol::refuse(http, status, "no").error());
    }
    bool is_admitted(std::string_view client) { return rule_->screen(client).has_value(); }

    ManualClock clock_{UnixSeconds{1000}};
    std::unique_ptr<protocol::Admission> rule_ =
        make_failed_attempts_rule({.per_minute = 3, .exempt = {"198.51.100.1"}, .max_clients = 2},
            clock_,
            metrics::null_registry());
};

TEST_F(FailedAttemptsTest, TurnsAwayWhoFailsTooOftenUntilThatIsForgiven) {
    fail("192.0.2.1");
    fail("192.0.2.1", Status::bad_request, 400);
    EXPECT_TRUE(is_admitted("192.0.2.1"));
    fail("192.0.2.1");
    const auto refused = rule_->screen("192.0.2.1");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().http_status, 429);
    EXPECT_EQ(protocol::to_string(refused.error().status), "request-declined");
    EXPECT_EQ(
        refused.error().headers.at(0), (std::pair<std::string, std::string>("Retry-After", "20")));
    EXPECT_TRUE(is_admitted("192.0.2.2"));
    clock_.set(UnixSeconds{1019});
    EXPECT_FALSE(is_admitted("192.0.2.1"));
    clock_.set(UnixSeconds{1020});
    EXPECT_TRUE(is_admitted("192.0.2.1"));
    fail("192.0.2.1");
    EXPECT_FALSE(is_admitted("192.0.2.1"));
}

TEST_F(FailedAttemptsTest, DoesNotPileUpWhatIsOverTheLimit) {
    for (int i = 0; i < 100; ++i) {
        fail("192.0.2.1");
    }
    clock_.set(UnixSeconds{1020});
    EXPECT_TRUE(is_admitted("192.0.2.1"));
}

TEST_F(FailedAttemptsTest, CountsNeitherRefusedPaymentsNorTheProvidersFaultsNorWhatIsUnknown) {
    for (int i = 0; i < 10; ++i) {
        fail("192.0.2.1", Status::payment_acceptable, 402);
        fail("192.0.2.1", Status::server_error, 500);
        fail("192.0.2.1", Status::bad_request, 404);
        fail("192.0.2.1", Status::declined, 429);
    }
    EXPECT_TRUE(is_admitted("192.0.2.1"));
}

TEST_F(FailedAttemptsTest, ExemptsLoopbackAndConfiguredGateways) {
    for (int i = 0; i < 10; ++i) {
        for (const char* client : {"127.0.0.1", "::/64", "local", "198.51.100.1"}) {
            fail(client);
        }
    }
    for (const char* client : {"127.0.0.1", "::/64", "local", "198.51.100.1"}) {
        EXPECT_TRUE(is_admitted(client)) << client;
    }
}

TEST_F(FailedAttemptsTest, ForgetsWhoseLastFailureIsTheOldest) {
    for (const char* client : {"192.0.2.1", "192.0.2.2"}) {
        fail(client);
        fail(client);
        fail(client);
    }
    fail("192.0.2.1");
    fail("192.0.2.3");
    EXPECT_FALSE(is_admitted("192.0.2.1"));
    EXPECT_TRUE(is_admitted("192.0.2.2"));
}

}  // namespace
}  // namespace decloud::pipeline
