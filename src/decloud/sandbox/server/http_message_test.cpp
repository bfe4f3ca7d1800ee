#include "http_message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace decloud::sandbox::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

struct Read {
    std::string text;
    bool failed = false;
    bool complete = false;
};

/// The answer in pieces of `step` bytes.
Read read(std::string_view answer,
    std::size_t step = 1,
    AnswerReader::Asked asked = AnswerReader::Asked::any) {
    AnswerReader reader(asked);
    Bytes out;
    Read result;
    for (std::size_t at = 0; at < answer.size() && !result.failed; at += step) {
        result.failed = !reader.feed(as_bytes(answer.substr(at, step)), out);
    }
    result.failed = result.failed || !reader.finish();
    result.text = as_text(out);
    result.complete = reader.complete();
    return result;
}

TEST(ServerAnswer, BecomesACgiAnswerHoweverItIsCutUp) {
    const std::string answer =
        "HTTP/1.1 100 Continue\r\n\r\n"
        "HTTP/1.1 201 Made it\r\nSet-Cookie: a=1\r\nset-cookie:b=2 \r\n"
        "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        "3;name=value\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\nleft over";
    for (std::size_t step = 1; step <= answer.size(); ++step) {
        const Read whole = read(answer, step);
        EXPECT_FALSE(whole.failed);
        EXPECT_EQ(whole.text, "Status: 201 Made it\nSet-Cookie: a=1\nset-cookie: b=2\n\nabcde");
    }
}

TEST(ServerAnswer, EndsWithItsLengthOrTheConnection) {
    EXPECT_EQ(
        read("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabcd").text, "Status: 200 OK\n\nab");
    EXPECT_EQ(read("HTTP/1.0 200 OK\n\nabcd").text, "Status: 200 OK\n\nabcd");
    EXPECT_EQ(read("HTTP/1.1 204 None\r\n\r\nabcd").text, "Status: 204 None\n\n");
    EXPECT_EQ(
        read("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 1, AnswerReader::Asked::head).text,
        "Status: 200 OK\n\n");
}

TEST(ServerAnswer, ChangesTheProtocolOnlyWhereThatWasAskedFor) {
    const std::string answer =
        "HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nany bytes";
    const Read upgraded = read(answer, 1, AnswerReader::Asked::upgrade);
    EXPECT_FALSE(upgraded.failed);
    EXPECT_EQ(upgraded.text, "Status: 101 Go\nUpgrade: websocket\n\nany bytes");
    EXPECT_TRUE(read(answer).failed);
    EXPECT_EQ(
        read("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nnope", 1, AnswerReader::Asked::upgrade)
            .text,
        "Status: 403 No\n\nno");
}

TEST(ServerAnswer, ComesAfterFewInterimOnes) {
    const auto after = [](int interim) {
        std::string answer;
        for (int i = 0; i < interim; ++i) {
            answer += "HTTP/1.1 102 Processing\r\n\r\n";
        }
        return read(answer + "HTTP/1.1 204 None\r\n\r\n", answer.size() + 30);
    };
    EXPECT_FALSE(after(8).failed);
    EXPECT_TRUE(after(9).failed);
}

TEST(ServerAnswer, IsNotWholeIfSomethingIsMissing) {
    EXPECT_TRUE(read("").failed);
    EXPECT_TRUE(read("HTTP/1.1 200 OK\r\n").failed);
    EXPECT_TRUE(read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab").failed);
    EXPECT_TRUE(read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n").failed);
}

TEST(ServerAnswer, IsRefusedIfItIsMalformed) {
    for (const char* answer :
        {"HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 101 Switching\r\n\r\n",
            "HTTP/1.1 099 Low\r\n\r\n", "garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\n folded: x\r\n\r\n", "HTTP/1.1 200 OK\r\na: \x01\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n"}) {
        EXPECT_TRUE(read(answer).failed) << answer;
    }
    EXPECT_TRUE(read("HTTP/1.1 200 OK\r\na: " + std::string(20'000, 'x')).failed);
}

CgiRequest request() {
    CgiRequest request;
    request.method = "POST";
    request.request_uri = "/p/alice/bafy/a%20b?q=1";
    request.script_name = "/p/alice/bafy";
    request.path_info = "/a b";
    request.query = "q=1";
    request.server_name = "localhost";
    request.remote_address = "192.0.2.1";
    request.headers = {{"Host", "alice.example:8080"}, {"Accept", "text/html"}, {"accept", "*/*"},
        {"Connection", "X-Hop"}, {"X-Hop", "1"}, {"Authorization", "secret"},
        {"OpenCloud-Payment", "x"}, {"X-Forwarded-For", "forged"}, {"X-Bad", "a\r\nb: c"}};
    return request;
}

TEST(ServerRequest, PassesWhatMayPass) {
    const std::string head = make_request_head(request(), {.length = 5});
    EXPECT_EQ(head,
        "POST /a%20b?q=1 HTTP/1.1\r\nhost: alice.example:8080\r\naccept: text/html\r\n"
        "accept: */*\r\nx-forwarded-for: 192.0.2.1\r\n"
        "x-forwarded-host: alice.example:8080\r\nx-forwarded-prefix: /p/alice/bafy\r\n"
        "x-forwarded-proto: http\r\ncontent-length: 5\r\nconnection: close\r\n\r\n");
    EXPECT_THAT(make_request_head(request(), {}), HasSubstr("transfer-encoding: chunked\r\n"));
    EXPECT_THAT(make_request_head(request(), {}), Not(HasSubstr("content-length")));
}

TEST(ServerRequest, HasThePathBehindThePrefix) {
    CgiRequest other = request();
    for (const auto& [uri, target] : {std::pair("/p/alice/bafy", "/"), {"/p/alice/bafy?x", "/?x"},
             {"/p/alice/bafy/", "/"}, {"/oc/v1/compute/call?q=1", "/a%20b?q=1"}}) {
        other.request_uri = uri;
        EXPECT_THAT(
            make_request_head(other, {}), StartsWith(std::string("POST ") + target + " HTTP"))
            << uri;
    }
}

}  // namespace
}  // namespace decloud::sandbox::server
