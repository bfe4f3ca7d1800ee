#include "cgi.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace decloud::sandbox {

namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;

CgiParser parse(std::string_view text, CgiParser::Mode mode = CgiParser::Mode::automatic) {
    CgiParser parser(mode);
    parser.feed(as_bytes(text));
    parser.finish();
    return parser;
}

std::string body_of(CgiParser& parser) {
    const Bytes body = parser.take_body();
    return std::string(as_text(body));
}

TEST(CgiParser, TakesAValidHeaderBlock) {
    CgiParser parser = parse(
        "Status: 404 Not Here\nContent-Type: text/html\nX-Own: 1\nSet-Cookie: a=1\n"
        "Set-Cookie: b=2\n\n<p>none</p>");
    ASSERT_NE(parser.head(), nullptr);
    EXPECT_EQ(parser.head()->status, 404);
    EXPECT_EQ(parser.head()->reason, "Not Here");
    EXPECT_TRUE(parser.head()->from_program);
    EXPECT_THAT(
        parser.head()->headers, ElementsAre(Pair("Content-Type", "text/html"), Pair("X-Own", "1"),
                                    Pair("Set-Cookie", "a=1"), Pair("Set-Cookie", "b=2")));
    EXPECT_EQ(body_of(parser), "<p>none</p>");
}

TEST(CgiParser, AcceptsCarriageReturns) {
    CgiParser parser = parse("Content-Type: text/plain\r\n\r\nbody\r\n");
    EXPECT_TRUE(parser.head()->from_program);
    EXPECT_EQ(body_of(parser), "body\r\n");
}

TEST(CgiParser, PlainOutputIsTheBody) {
    for (const char* text : {"hello\n", "", "Note: this is prose\n\nand more", "a: b\n\n",
             "Content-Type text/html\n\n", "Status: 99\n\n", "Status: 700\n\n", "\n\nx",
             "Content-Length: 1\nContent-Length: 2\n\n", "Status: 200OK\n\n", "Status: 200",
             "Content-Type: text/html\nno colon here\n\n", "Content-Type: a\x01\n\n"}) {
        CgiParser parser = parse(text);
        ASSERT_NE(parser.head(), nullptr);
        EXPECT_EQ(parser.head()->status, 200) << text;
        EXPECT_FALSE(parser.head()->from_program) << text;
        EXPECT_EQ(body_of(parser), text);
    }
}

TEST(CgiParser, SniffsTextFromBinary) {
    EXPECT_THAT(parse("grüße\n").head()->headers,
        ElementsAre(Pair("Content-Type", "text/plain; charset=utf-8")));
    EXPECT_THAT(parse("\xff\xd8\xff").head()->headers,
        ElementsAre(Pair("Content-Type", "application/octet-stream")));
    EXPECT_THAT(parse(std::string_view("a\0b", 3)).head()->headers,
        ElementsAre(Pair("Content-Type", "application/octet-stream")));
}

TEST(CgiParser, GivesTheSameAnswerHoweverTheBytesArrive) {
    const std::string text = "Status: 201\nContent-Type: text/css\n\nbody { }";
    for (std::size_t step = 1; step < text.size(); ++step) {
        CgiParser parser;
        std::string body;
        for (std::size_t i = 0; i < text.size(); i += step) {
            parser.feed(as_bytes(std::string_view(text).substr(i, step)));
            body += body_of(parser);
        }
        parser.finish();
        body += body_of(parser);
        ASSERT_EQ(parser.head()->status, 201);
        EXPECT_EQ(body, "body { }");
    }
}

TEST(CgiParser, DecidesAsSoonAsItCan) {
    CgiParser prose;
    prose.feed(as_bytes("hello, world"));
    EXPECT_NE(prose.head(), nullptr);
    CgiParser unknown;
    unknown.feed(as_bytes("Dear: reader"));
    EXPECT_NE(unknown.head(), nullptr);
    CgiParser open;
    open.feed(as_bytes("Content-"));
    EXPECT_EQ(open.head(), nullptr);
}

TEST(CgiParser, AnEndlessHeaderBlockBecomesTheBody) {
    CgiParser parser;
    parser.feed(as_bytes("Content-Type: text/plain\n"));
    const std::string line = "X-Filler: " + std::string(100, 'x') + "\n";
    std::size_t fed = 25;
    while (parser.head() == nullptr && fed < 100'000) {
        parser.feed(as_bytes(line));
        fed += line.size();
    }
    EXPECT_LE(fed, CgiParser::kMaximumHead + line.size());
    EXPECT_FALSE(parser.head()->from_program);
    EXPECT_EQ(parser.take_body().size(), fed);
}

TEST(CgiParser, NeverPassesReservedOrHopByHopHeaders) {
    const CgiParser parser = parse(
        "Content-Type: a/b\nConnection: close\nTransfer-Encoding: chunked\n"
        "OpenCloud-Status: 200\nsignature-input: x\nPAYMENT-REQUIRED: x\nAlt-Svc: x\n"
        "X-Payment-Response: x\nService-Worker-Allowed: /\nUpgrade: h2c\nX-Fine: y\n\n");
    EXPECT_THAT(
        parser.head()->headers, ElementsAre(Pair("Content-Type", "a/b"), Pair("X-Fine", "y")));
}

TEST(CgiParser, ARedirectWithoutStatusIs302) {
    EXPECT_EQ(parse("Location: /elsewhere\n\n").head()->status, 302);
    EXPECT_EQ(parse("Status: 201\nLocation: /made\n\n").head()->status, 201);
}

TEST(CgiParser, KeepsTheProgramsContentLengthApart) {
    const CgiParser parser = parse("Content-Type: a/b\nContent-Length: 12\n\n");
    EXPECT_EQ(parser.head()->content_length, 12U);
    EXPECT_THAT(parser.head()->headers, Not(Contains(Key("Content-Length"))));
}

TEST(CgiParser, ModesForceTheDecision) {
    CgiParser raw = parse("Status: 404\n\nx", CgiParser::Mode::raw);
    EXPECT_EQ(raw.head()->status, 200);
    EXPECT_EQ(body_of(raw), "Status: 404\n\nx");
    EXPECT_TRUE(parse("hello", CgiParser::Mode::cgi).malformed());
    EXPECT_FALSE(parse("Status: 204\n\n", CgiParser::Mode::cgi).malformed());
    const std::string switches = "Status: 101 Go\n\nbytes";
    EXPECT_TRUE(parse(switches, CgiParser::Mode::cgi).malformed());
    CgiParser upgrade = parse(switches, CgiParser::Mode::upgrade);
    EXPECT_EQ(upgrade.head()->status, 101);
    EXPECT_TRUE(upgrade.head()->headers.empty());
    EXPECT_EQ(body_of(upgrade), "bytes");
}

CgiRequest request() {
    CgiRequest request;
    request.method = "POST";
    request.script_name = "/p/alice/bafy1";
    request.path_info = "/sub path";
    request.query = "a=1&b=%20";
    request.request_uri = "/p/alice/bafy1/sub%20path?a=1&b=%20";
    request.server_name = "alice.localhost";
    request.server_port = 8080;
    request.remote_address = "192.0.2.1";
    request.content_length = 5;
    request.cid = "bafy1";
    request.deadline = std::chrono::milliseconds(1500);
    return request;
}

TEST(CgiEnvironment, HasTheVariablesOfTheStandardAndOurs) {
    CgiRequest input = request();
    input.headers = {{"Content-Type", "text/plain"}, {"Content-Length", "5"}};
    EXPECT_THAT(make_cgi_environment(input, {}),
        ElementsAre(Pair("GATEWAY_INTERFACE", "CGI/1.1"), Pair("SERVER_PROTOCOL", "HTTP/1.1"),
            Pair("SERVER_SOFTWARE", "decloud"), Pair("SERVER_NAME", "alice.localhost"),
            Pair("SERVER_PORT", "8080"), Pair("REQUEST_METHOD", "POST"),
            Pair("REQUEST_URI", "/p/alice/bafy1/sub%20path?a=1&b=%20"),
            Pair("SCRIPT_NAME", "/p/alice/bafy1"), Pair("PATH_INFO", "/sub path"),
            Pair("QUERY_STRING", "a=1&b=%20"), Pair("REMOTE_ADDR", "192.0.2.1"),
            Pair("CONTENT_LENGTH", "5"), Pair("CONTENT_TYPE", "text/plain"),
            Pair("DECLOUD_CID", "bafy1"), Pair("DECLOUD_DEADLINE_MS", "1500")));
}

TEST(CgiEnvironment, JoinsRepeatedHeaders) {
    CgiRequest input = request();
    input.headers = {{"Accept", "a"}, {"Cookie", "x=1"}, {"ACCEPT", "b"}, {"cookie", "y=2"}};
    const auto variables = make_cgi_environment(input, {});
    EXPECT_THAT(variables, Contains(Pair("HTTP_ACCEPT", "a, b")));
    EXPECT_THAT(variables, Contains(Pair("HTTP_COOKIE", "x=1; y=2")));
}

TEST(CgiEnvironment, LeavesOutWhatProgramsMustNotSee) {
    CgiRequest input = request();
    input.headers = {{"Proxy", "evil"}, {"Authorization", "Bearer x"}, {"Connection", "x-a, X-B"},
        {"X-A", "1"}, {"x-b", "2"}, {"OpenCloud-Payment", "p"}, {"Signature", "s"},
        {"Transfer-Encoding", "chunked"}, {"X_Underscore", "u"}, {"X-Nul", std::string("a\0b", 3)},
        {"X-Line", "a\nb"}, {"X-Good", "g"}};
    for (const auto& [name, value] : make_cgi_environment(input, {})) {
        if (name.starts_with("HTTP_")) {
            EXPECT_EQ(name, "HTTP_X_GOOD");
        }
    }
    input.pass_authorization = true;
    EXPECT_THAT(make_cgi_environment(input, {}), Contains(Pair("HTTP_AUTHORIZATION", "Bearer x")));
}

TEST(CgiEnvironment, TheOwnersVariablesCannotReplaceTheRequests) {
    const auto variables = make_cgi_environment(
        request(), {{"REQUEST_METHOD", "GET"}, {"KEY", "value"}, {"KEY", "again"}, {"A=B", "x"},
                       {"", "x"}, {"HTTP_PROXY", "http://proxy"}});
    EXPECT_THAT(variables, Contains(Pair("REQUEST_METHOD", "POST")));
    EXPECT_THAT(variables, Not(Contains(Pair("REQUEST_METHOD", "GET"))));
    EXPECT_THAT(variables, Contains(Pair("KEY", "value")));
    EXPECT_THAT(variables, Contains(Pair("HTTP_PROXY", "http://proxy")));
    EXPECT_THAT(variables, Not(Contains(Key("A=B"))));
    EXPECT_EQ(std::ranges::count_if(variables, [](const auto& v) { return v.first == "KEY"; }), 1);
}

}  // namespace

}  // namespace decloud::sandbox
