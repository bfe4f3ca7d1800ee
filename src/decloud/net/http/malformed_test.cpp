#include "../testing/test_loop.hpp"
#include "parser.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace decloud::net::http {
namespace {

struct Case {
    std::string_view name;
    std::string request;
    int status = 400;
};

std::string post(std::string_view fields, std::string_view body = {}) {
    return "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n" + std::string(body);
}

std::string chunked(std::string_view body) { return post("Transfer-Encoding: chunked\r\n", body); }

std::vector<Case> line_cases() {
    return {
        {"two spaces before the target", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"a tab as separator", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"no version", "GET /\r\n\r\n"},
        {"a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"a fragment in the target", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"a byte above 0x7f in the target", "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"a target without slash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"a target of another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"user information in the target", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"an asterisk for GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501},
        {"TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405},
        {"a bad method", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"a bracket as method", "<GET> / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"a version in lower case", "GET / http/1.1\r\nHost: a\r\n\r\n"},
        {"a version without minor", "GET / HTTP/1\r\nHost: a\r\n\r\n"},
        {"version 1.01", "GET / HTTP/1.01\r\nHost: a\r\n\r\n"},
        {"version 1.9", "GET / HTTP/1.9\r\nHost: a\r\n\r\n"},
        {"version 0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n"},
        {"version 2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"a space after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"},
        {"a bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n"},
        {"bare LFs everywhere", "GET / HTTP/1.1\nHost: a\n\n"},
        {"bare CRs everywhere", "GET / HTTP/1.1\rHost: a\r\r"},
        {"a NUL in the target", std::string("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 29)},
        {"a TLS hello", "\x16\x03\x01\x02"},
        {"two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
    };
}

std::vector<Case> field_cases() {
    return {
        {"no Host", "GET / HTTP/1.1\r\n\r\n"},
        {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
        {"two Hosts in other cases", "GET / HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n"},
        {"an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
        {"a slash in Host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
        {"an at sign in Host", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"},
        {"a comma in Host", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"},
        {"a space in Host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
        {"a bad port in Host", "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n"},
        {"a Host that differs", "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"},
        {"a space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
        {"a tab before the colon", "GET / HTTP/1.1\r\nHost: a\r\nX\t: b\r\n\r\n"},
        {"a space before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
        {"a folded field", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"},
        {"a field folded with a tab", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n"},
        {"an empty name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"},
        {"no colon", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"},
        {"a name that is not ASCII", "GET / HTTP/1.1\r\nHost: a\r\n\xc3\xa4: b\r\n\r\n"},
        {"a NUL in a value", std::string("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 32)},
        {"a CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n"},
        {"an escape in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \x1b\r\n\r\n"},
        {"a DEL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n"},
        {"a bare LF after a field", "GET / HTTP/1.1\r\nHost: a\r\nX: b\nY: c\r\n\r\n"},
        {"a bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n"},
        {"another expectation", post("Expect: x\r\nContent-Length: 1\r\n", "x"), 417},
    };
}

std::vector<Case> framing_cases() {
    return {
        {"length and encoding",
            post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
        {"encoding and length",
            post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n")},
        {"gzip then length", post("Transfer-Encoding: gzip\r\nContent-Length: 1\r\n", "x")},
        {"xchunked", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")},
        {"chunked, identity", post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n")},
        {"gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")},
        {"chunked twice",
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
        {"a quoted encoding", post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n")},
        {"a vertical tab before chunked", post("Transfer-Encoding: \x0b"
                                               "chunked\r\n",
                                              "0\r\n\r\n")},
        {"an empty encoding", post("Transfer-Encoding:\r\n", "0\r\n\r\n")},
        {"chunked in HTTP/1.0",
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {"the length twice", post("Content-Length: 1\r\nContent-Length: 1\r\n", "x")},
        {"two lengths", post("Content-Length: 1\r\nContent-Length: 2\r\n", "xx")},
        {"a list of lengths", post("Content-Length: 1, 1\r\n", "x")},
        {"a signed length", post("Content-Length: +1\r\n", "x")},
        {"a negative length", post("Content-Length: -1\r\n", "x")},
        {"a hexadecimal length", post("Content-Length: 0x1\r\n", "x")},
        {"a length with a space", post("Content-Length: 1 1\r\n", "x")},
        {"a length with an underscore", post("Content-Length: 1_0\r\n", "x")},
        {"an empty length", post("Content-Length:\r\n", "x")},
        {"a length with a leading zero", post("Content-Length: 01\r\n", "x")},
        {"a length beyond 64 bits", post("Content-Length: 18446744073709551617\r\n", "x")},
    };
}

std::vector<Case> chunk_cases() {
    return {
        {"an empty chunk size", chunked("\r\n")},
        {"a chunk size with 0x", chunked("0x1\r\na\r\n0\r\n\r\n")},
        {"a signed chunk size", chunked("+1\r\na\r\n0\r\n\r\n")},
        {"a space before the chunk size", chunked(" 1\r\na\r\n0\r\n\r\n")},
        {"a space after the chunk size", chunked("1 \r\na\r\n0\r\n\r\n")},
        {"an underscore in the chunk size", chunked("1_0\r\na\r\n0\r\n\r\n")},
        {"a chunk size beyond 64 bits", chunked("10000000000000001\r\na\r\n0\r\n\r\n")},
        {"a huge chunk size", chunked("ffffffffffffffff\r\na\r\n0\r\n\r\n")},
        {"an empty extension", chunked("1;\r\na\r\n0\r\n\r\n")},
        {"an extension without value", chunked("1;a=\r\na\r\n0\r\n\r\n")},
        {"an open quote in an extension", chunked("1;a=\"b\r\na\r\n0\r\n\r\n")},
        {"a space before an extension", chunked("1 ;a\r\na\r\n0\r\n\r\n")},
        {"a bare LF after the chunk size", chunked("1\na\r\n0\r\n\r\n")},
        {"a bare LF after the chunk", chunked("1\r\na\n0\r\n\r\n")},
        {"no CRLF after the chunk", chunked("1\r\nab\r\n0\r\n\r\n")},
        {"a longer chunk than said", chunked("1\r\nabc\r\n0\r\n\r\n")},
        {"a long extension", chunked("1;a=" + std::string(400, 'b') + "\r\na\r\n0\r\n\r\n")},
        {"a length in a trailer", chunked("0\r\nContent-Length: 3\r\n\r\n")},
        {"a folded trailer", chunked("0\r\nX: a\r\n b\r\n\r\n")},
    };
}

/// What a parser makes of the bytes when they come `step` at a time.
int parse_status(const std::string& bytes, std::size_t step) {
    RequestParser parser;
    for (std::size_t begin = 0; begin < bytes.size(); begin += step) {
        BytesView input = as_bytes(bytes).subspan(begin, std::min(step, bytes.size() - begin));
        for (;;) {
            const ParseStep result = parser.next(input);
            input = input.subspan(result.consumed);
            if (result.event == ParseEvent::failed) {
                return parser.error().status;
            }
            if (result.event == ParseEvent::end) {
                return 200;
            }
            if (result.event == ParseEvent::need_more) {
                break;
            }
        }
    }
    return 0;
}

async::Task<void> refuse_each(async::Executor executor, std::vector<Case> cases) {
    int handled = 0;
    testing::TestServer server(executor, [&](Exchange exchange) -> async::Task<void> {
        ++handled;
        (void)co_await exchange.send({}, std::string("reached"));
    });
    for (const Case& one : cases) {
        SCOPED_TRACE(one.name);
        const std::string answer = co_await testing::talk(
            executor, server.port(), one.request + "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + std::to_string(one.status) + " ")) << answer;
        EXPECT_NE(answer.find("\r\nConnection: close\r\n"), std::string::npos);
        EXPECT_EQ(answer.find("reached"), std::string::npos);
        EXPECT_EQ(parse_status(one.request, one.request.size()), one.status);
        EXPECT_EQ(parse_status(one.request, 1), one.status);
    }
    EXPECT_EQ(handled, 0);
    co_await server.stop();
}

TEST(MalformedRequest, WithABadRequestLineIsRefusedAndClosed) {
    testing::run_loop([](async::Executor executor) { return refuse_each(executor, line_cases()); });
}

TEST(MalformedRequest, WithABadFieldIsRefusedAndClosed) {
    testing::run_loop(
        [](async::Executor executor) { return refuse_each(executor, field_cases()); });
}

TEST(MalformedRequest, WithAmbiguousFramingIsRefusedAndClosed) {
    testing::run_loop(
        [](async::Executor executor) { return refuse_each(executor, framing_cases()); });
}

async::Task<void> refuse_chunks(async::Executor executor) {
    testing::TestServer server(executor, [&](Exchange exchange) -> async::Task<void> {
        const auto body = co_await exchange.read_all(1000);
        EXPECT_FALSE(body.has_value());
        (void)co_await exchange.send({400, {}, {}}, std::string("refused"));
    });
    for (const Case& one : chunk_cases()) {
        SCOPED_TRACE(one.name);
        const std::string answer = co_await testing::talk(
            executor, server.port(), one.request + "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << answer;
        EXPECT_NE(answer.find("\r\nConnection: close\r\n"), std::string::npos);
        EXPECT_EQ(answer.find("HTTP/1.1", 8), std::string::npos) << "a second answer";
        EXPECT_NE(parse_status(one.request, one.request.size()), 200);
        EXPECT_EQ(parse_status(one.request, 1), parse_status(one.request, one.request.size()));
    }
    co_await server.stop();
}

TEST(MalformedRequest, WithABadChunkFailsTheBodyAndIsClosed) { testing::run_loop(refuse_chunks); }

}  // namespace
}  // namespace decloud::net::http
