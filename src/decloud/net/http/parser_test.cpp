#include "parser.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace decloud::net::http {
namespace {

/// Everything that a parser says about a stream of messages fed `step` bytes at a time.
template <class Parser, class Reset>
std::string transcript(Parser& parser, std::string_view bytes, std::size_t step, Reset reset) {
    std::string log;
    BytesView rest;
    std::string body;
    for (std::size_t begin = 0; begin < bytes.size() || begin == 0; begin += step) {
        rest = as_bytes(bytes.substr(begin, step));
        for (;;) {
            const ParseStep result = parser.next(rest);
            rest = rest.subspan(result.consumed);
            if (result.event == ParseEvent::need_more) {
                break;
            }
            if (result.event == ParseEvent::failed) {
                return log + body + "failed";
            }
            if (result.event == ParseEvent::head) {
                for (const Headers::Field field : parser.head().headers) {
                    log.append(field.name).append("=").append(field.value).append("|");
                }
            } else if (result.event == ParseEvent::body) {
                body.append(as_text(result.body));
            } else {
                log.append("body=").append(body).append("|");
                for (const Headers::Field field : parser.trailers()) {
                    log.append(field.name).append("=").append(field.value).append("|");
                }
                log.append("end ");
                body.clear();
                reset(parser);
                if (rest.empty()) {
                    break;
                }
            }
        }
    }
    return log + body;
}

TEST(RequestParser, ReadsTheHeadAsSent) {
    RequestParser parser;
    const std::string_view text =
        "\r\nPOST /a%20b/../c?d=e&f HTTP/1.1\r\nhost:  x.y:80\t\r\nA: 1\r\na: 2\r\n"
        "Content-Length: 3\r\n\r\nxyz";
    const ParseStep head = parser.next(as_bytes(text));
    ASSERT_EQ(head.event, ParseEvent::head);
    EXPECT_EQ(parser.head().method, "POST");
    EXPECT_EQ(parser.head().target, "/a%20b/../c?d=e&f");
    EXPECT_EQ(parser.head().path(), "/a%20b/../c");
    EXPECT_EQ(parser.head().query(), "d=e&f");
    EXPECT_EQ(parser.head().headers.find("Host"), "x.y:80");
    EXPECT_EQ(parser.head().headers.all("A").size(), 2U);
    EXPECT_EQ(parser.body_length(), 3U);
    EXPECT_TRUE(parser.keep_alive());
}

TEST(RequestParser, TakesTheAbsoluteForm) {
    RequestParser parser;
    ASSERT_EQ(parser.next(as_bytes("GET http://A.b/x?y HTTP/1.1\r\nHost: a.B\r\n\r\n")).event,
        ParseEvent::head);
    EXPECT_EQ(parser.head().path(), "/x");
    EXPECT_EQ(parser.head().query(), "y");
}

TEST(RequestParser, GivesTheSameWhateverTheCuts) {
    const std::string text =
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
        "POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "A;x=\"y;z\";w\r\n0123456789\r\n00b\r\nabcdefghijk\r\n0\r\nT: 1\r\nU:\r\n\r\n"
        "PUT /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
        "GET /4 HTTP/1.1\r\nHost : a\r\n\r\n";
    std::string expected;
    for (std::size_t step = text.size(); step > 0; --step) {
        RequestParser parser;
        const std::string log =
            transcript(parser, text, step, [](RequestParser& used) { used.reset(); });
        if (expected.empty()) {
            expected = log;
        }
        ASSERT_EQ(log, expected) << step;
    }
    EXPECT_EQ(expected,
        "Host=a|body=|end Host=a|Transfer-Encoding=chunked|body=0123456789abcdefghijk|T=1|U=|end "
        "Host=a|Content-Length=4|body=body|end failed");
}

TEST(RequestParser, KeepsTheLimitsToTheByte) {
    Limits limits;
    limits.max_header_bytes = 100;
    const auto fits = [&](std::size_t size) {
        RequestParser parser(limits);
        std::string head = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
        head.append(size - head.size() - 4, 'x').append("\r\n\r\n");
        const ParseStep step = parser.next(as_bytes(head));
        EXPECT_TRUE(step.event == ParseEvent::head || parser.error().status == 431);
        return step.event == ParseEvent::head;
    };
    EXPECT_TRUE(fits(100));
    EXPECT_FALSE(fits(101));
}

TEST(RequestParser, KnowsWhenAConnectionEnds) {
    const auto keeps = [](std::string_view text) {
        RequestParser parser;
        EXPECT_EQ(parser.next(as_bytes(text)).event, ParseEvent::head);
        return parser.keep_alive();
    };
    EXPECT_TRUE(keeps("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    EXPECT_FALSE(keeps("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n"));
    EXPECT_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
    EXPECT_TRUE(keeps("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

TEST(ResponseParser, GivesTheSameWhateverTheCuts) {
    const std::string text =
        "HTTP/1.1 100 Continue\r\n\r\n"
        "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"
        "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n"
        "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n"
        "HTTP/1.1 200 OK\r\nB: c\r\n\r\nuntil the end";
    for (std::size_t step = text.size(); step > 0; --step) {
        ResponseParser parser;
        parser.reset(false);
        const std::string log =
            transcript(parser, text, step, [](ResponseParser& used) { used.reset(false); });
        ASSERT_EQ(log,
            "body=|end Content-Length=2|body=ok|end A=b|body=|end Transfer-Encoding=chunked|"
            "body=abc|T=1|end B=c|until the end")
            << step;
        EXPECT_EQ(parser.finish().event, ParseEvent::end);
        EXPECT_FALSE(parser.keep_alive());
    }
}

TEST(ResponseParser, HasNoBodyForHead) {
    ResponseParser parser;
    parser.reset(true);
    ASSERT_EQ(parser.next(as_bytes("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")).event,
        ParseEvent::head);
    EXPECT_EQ(parser.next({}).event, ParseEvent::end);
    EXPECT_TRUE(parser.keep_alive());
}

TEST(ResponseParser, RefusesTheAmbiguous) {
    for (const std::string_view text : {"HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 099 OK\r\n\r\n",
             "HTTP/1.1  200 OK\r\n\r\n", "HTTP/2 200 OK\r\n\r\n", "ICY 200 OK\r\n\r\n",
             "HTTP/1.1 200 OK\nA: b\r\n\r\n", "HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\n",
             "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n",
             "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
             "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
             "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"}) {
        ResponseParser parser;
        parser.reset(false);
        EXPECT_EQ(parser.next(as_bytes(text)).event, ParseEvent::failed) << text;
    }
}

TEST(Headers, KeepsOrderAndDuplicates) {
    Headers headers{{"A", "1"}, {"B", "2"}, {"a", "3"}};
    EXPECT_EQ(headers.find("a"), "1");
    EXPECT_EQ(headers.all("A"), (std::vector<std::string_view>{"1", "3"}));
    headers.add("C", *headers.find("B"));
    headers.set("A", *headers.find("C"));
    EXPECT_EQ(headers.count("a"), 1U);
    EXPECT_EQ(headers.find("A"), "2");
    headers.remove("b");
    EXPECT_FALSE(headers.contains("B"));
    EXPECT_EQ(headers.size(), 2U);
    EXPECT_TRUE((Headers{{"X", "a, B ,c"}}.has_token("x", "b")));
}

}  // namespace
}  // namespace decloud::net::http
