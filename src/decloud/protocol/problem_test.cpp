#include "problem.hpp"

#include <decloud/net/error.hpp>

#include <gtest/gtest.h>

namespace decloud::protocol {
namespace {

TEST(Problem, ASlowBodyIsTheClientsFault) {
    EXPECT_EQ(body_problem_from(Error(CommonError::timeout)).http_status, 408);
    EXPECT_EQ(problem_from(Error(CommonError::timeout)).http_status, 504);
    EXPECT_EQ(body_problem_from(Error(CommonError::limit_exceeded)).http_status, 413);
}

TEST(Problem, TheOne402CarriesBothLists) {
    const Problem problem =
        payment_required(Status::payment_acceptable, "no payment", "decloud escrow approve",
            {{.type = "attached",
                .method = "authorization",
                .currency = {"eip155:31337/erc20:0x1"},
                .amount = Amount(1000)}});
    const auto body = json::parse(problem_json(problem)).value().as_object();
    EXPECT_EQ(body.at("status"), json::Value(402));
    EXPECT_EQ(body.at("x402Version"), json::Value(1));
    EXPECT_TRUE(body.at("accepts").as_array().empty());
    EXPECT_EQ(body.at("error"), body.at("detail"));
    EXPECT_EQ(body.at("acceptable").as_array().at(0).at("amount"), json::Value("1000"));
    EXPECT_EQ(body.at("help"), json::Value("decloud escrow approve"));
}

TEST(Problem, AnInternalErrorDoesNotShowItsText) {
    const Problem problem =
        problem_from(Error(make_error_code(CommonError::internal), "key at /home/x"));
    EXPECT_EQ(problem.http_status, 500);
    EXPECT_EQ(problem_json(problem).find("/home/x"), std::string::npos);
}

TEST(Problem, ErrorsMapToTheirStatus) {
    EXPECT_EQ(problem_from(Error(CommonError::disk_full)).http_status, 507);
    EXPECT_EQ(problem_from(Error(CommonError::limit_exceeded)).http_status, 413);
    EXPECT_EQ(problem_from(Error(CommonError::not_found)).http_status, 404);
    EXPECT_EQ(problem_from(Error(net::NetError::malformed_message)).http_status, 400);
    EXPECT_EQ(to_string(Status::payment_too_low), "request-declined.payment-declined.too-low");
}

}  // namespace
}  // namespace decloud::protocol
