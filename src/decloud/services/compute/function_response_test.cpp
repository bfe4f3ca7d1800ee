#include "function_response.hpp"

#include <gtest/gtest.h>

namespace decloud::services {
namespace {

TEST(FunctionResponse, CookiesAreBoundToTheDeployment) {
    EXPECT_EQ(bind_cookie("a=1; Domain=example.com; HttpOnly; path=/", "/bafy"),
        "a=1; HttpOnly; Path=/bafy");
    EXPECT_EQ(bind_cookie("domain=x", "/bafy"), "domain=x; Path=/bafy");
    EXPECT_EQ(bind_cookie("a=1;;DOMAIN = .x ;Secure", "/p/alice/bafy"),
        "a=1; Secure; Path=/p/alice/bafy");
}

TEST(FunctionResponse, ReservedHeadersNeverComeFromAProgram) {
    sandbox::CgiHead head;
    head.headers = {{"Content-Type", "text/html"}, {"OpenCloud-Status", "ok"},
        {"X-Decloud-Receipt", "x"}, {"Strict-Transport-Security", "max-age=1"},
        {"Payment-Response", "x"}, {"Signature-Input", "x"}, {"Connection", "X-Secret"},
        {"X-Secret", "1"}, {"X-Mine", "kept"}};
    const auto out = function_response_head(head, "/bafy");
    EXPECT_EQ(out.headers.find("X-Mine"), "kept");
    for (const char* name : {"OpenCloud-Status", "X-Decloud-Receipt", "Strict-Transport-Security",
             "Payment-Response", "Signature-Input", "Connection", "X-Secret"}) {
        EXPECT_FALSE(out.headers.contains(name)) << name;
    }
    EXPECT_EQ(out.headers.find("Content-Security-Policy"), "sandbox allow-scripts allow-forms");
    EXPECT_EQ(out.headers.find("X-Content-Type-Options"), "nosniff");
}

}  // namespace
}  // namespace decloud::services
