#include "dns_links.hpp"

#include "internal/dns_query.hpp"
#include "internal/dns_text.hpp"

#include <decloud/base/encoding.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <optional>
#include <thread>

namespace decloud::ipfs {

namespace {

using boost::asio::ip::udp;
using internal::parse_dns_texts;

constexpr UnixSeconds kNow{1'800'000'000};

/// What stands after a question: an answer for its name with a TTL.
Bytes answer_to(BytesView question, std::string_view text, std::uint8_t ttl, std::uint8_t code) {
    Bytes out = to_bytes(question);
    out[2] = 0x84;
    out[3] = code;
    // No additional records, whatever the question brought.
    out[10] = out[11] = 0;
    std::size_t end = 12;
    while (out[end] != 0) {
        end += 1 + out[end];
    }
    out.resize(end + 5);
    if (!text.empty()) {
        out[7] = 1;
        const Bytes head{0xc0, 12, 0, 16, 0, 1, 0, 0, 0, ttl, 0,
            static_cast<std::uint8_t>(text.size() + 1), static_cast<std::uint8_t>(text.size())};
        append(out, BytesView(head));
        append(out, text);
    }
    return out;
}

/// What a server says to a question; nothing: nothing.
struct Says {
    std::string text{};
    std::uint8_t ttl = 0;
    std::uint8_t code = 0;
};

/// The domain that a question is for, its labels with a dot behind each.
std::string name_in(BytesView question) {
    std::string out;
    for (std::size_t at = 12; question[at] != 0; at += 1 + question[at]) {
        out += std::string(as_text(question.subspan(at + 1, question[at]))) + ".";
    }
    return out;
}

/// A DNS server on the loopback.
class Server {
  public:
    /// `says` gets the name and how many questions there were, on a thread of its own.
    using Says = std::function<std::optional<ipfs::Says>(const std::string&, int)>;

    explicit Server(Says says) : thread_([this, says = std::move(says)] { serve(says); }) {}
    ~Server() {
        udp::socket waker(context_, udp::v4());
        waker.send_to(boost::asio::buffer("end", 3), socket_.local_endpoint());
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// Long enough that no question is repeated where it is answered.
    [[nodiscard]] DnsLinkSettings settings(
        std::chrono::milliseconds limit = std::chrono::seconds(200)) const {
        return {.servers = "127.0.0.1:" + std::to_string(socket_.local_endpoint().port()),
            .limit = limit};
    }
    [[nodiscard]] int questions() const { return questions_; }

  private:
    void serve(const Says& says) {
        for (;;) {
            Bytes question(2048);
            udp::endpoint peer;
            question.resize(socket_.receive_from(boost::asio::buffer(question), peer));
            if (question.size() < 12) {
                return;
            }
            if (const auto said = says(name_in(question), ++questions_)) {
                socket_.send_to(
                    boost::asio::buffer(answer_to(question, said->text, said->ttl, said->code)),
                    peer);
            }
        }
    }

    boost::asio::io_context context_;
    udp::socket socket_{context_, udp::endpoint(boost::asio::ip::make_address("127.0.0.1"), 0)};
    std::atomic<int> questions_ = 0;
    std::jthread thread_;
};

Server::Says always(Says says) {
    return [says](const std::string& /*name*/, int /*count*/) { return says; };
}

std::optional<Says> nothing(const std::string& /*name*/, int /*count*/) { return std::nullopt; }

async::Task<void> count_good(DnsLinks* links, std::string domain, int* count) {
    *count += co_await links->ask(std::move(domain)) ? 1 : 0;
}

/// Asks so many times at once, and says how many got an answer.
int ask(DnsLinks& links, const std::string& domain, int times = 1) {
    boost::asio::io_context context;
    int good = 0;
    for (int i = 0; i < times; ++i) {
        boost::asio::co_spawn(context, count_good(&links, domain, &good), boost::asio::detached);
    }
    context.run();
    return good;
}

int status_of(const DnsLinks& links, std::string_view domain) {
    const auto known = links.find(domain);
    return known && !known->path ? known->path.error().status : 0;
}

TEST(DnsLinks, FindsWhereADomainLeadsAndKeepsItForItsTtl) {
    const Server server(always({.text = "dnslink=/ipfs/bafkqaaa", .ttl = 100}));
    ManualClock clock(kNow);
    DnsLinks links(server.settings(), clock);
    EXPECT_FALSE(links.find("example.org"));
    EXPECT_EQ(ask(links, "Example.org", 5), 5);
    EXPECT_EQ(server.questions(), 1);
    const auto known = links.find("example.ORG");
    ASSERT_TRUE(known);
    EXPECT_EQ(known->path, "/ipfs/bafkqaaa");
    EXPECT_EQ(known->max_age, 100U);
    EXPECT_EQ(ask(links, "example.org"), 1);
    EXPECT_EQ(server.questions(), 1);
    clock.advance(std::chrono::seconds(100));
    EXPECT_FALSE(links.find("example.org"));
}

TEST(DnsLinks, RemembersThatThereIsNone) {
    const Server server(always({.code = 3}));
    ManualClock clock(kNow);
    DnsLinks links(server.settings(), clock);
    EXPECT_EQ(ask(links, "example.org"), 1);
    EXPECT_EQ(status_of(links, "example.org"), 404);
    clock.advance(std::chrono::seconds(59));
    EXPECT_TRUE(links.find("example.org"));
    clock.advance(std::chrono::seconds(1));
    EXPECT_FALSE(links.find("example.org"));
}

TEST(DnsLinks, IsRefusedByAServerThatFails) {
    const Server server(always({.code = 2}));
    ManualClock clock(kNow);
    DnsLinks links(server.settings(), clock);
    EXPECT_EQ(ask(links, "example.org"), 1);
    EXPECT_EQ(status_of(links, "example.org"), 502);
}

TEST(DnsLinks, GivesUpOnAServerThatSaysNothing) {
    const Server server(nothing);
    ManualClock clock(kNow);
    DnsLinks links(server.settings(std::chrono::milliseconds(300)), clock);
    EXPECT_EQ(ask(links, "example.org"), 1);
    EXPECT_EQ(status_of(links, "example.org"), 504);
    clock.advance(std::chrono::seconds(5));
    EXPECT_FALSE(links.find("example.org"));
}

TEST(DnsLinks, GivesUpWhereNoServerIs) {
    ManualClock clock(kNow);
    std::string servers;
    {
        const Server server(nothing);
        servers = server.settings().servers;
    }
    DnsLinks links({.servers = servers, .limit = std::chrono::milliseconds(300)}, clock);
    EXPECT_EQ(ask(links, "example.org"), 1);
    EXPECT_GE(status_of(links, "example.org"), 502);
}

TEST(DnsLinks, AsksAgainForThoseThatWaitWhenTheFirstHangsUp) {
    boost::asio::io_context context;
    boost::asio::cancellation_signal hang_up;
    const Server server([&](const std::string& /*name*/, int count) -> std::optional<Says> {
        if (count == 1) {
            boost::asio::post(
                context, [&] { hang_up.emit(boost::asio::cancellation_type::terminal); });
            return std::nullopt;
        }
        return Says{.text = "dnslink=/ipfs/bafkqaaa", .ttl = 100};
    });
    ManualClock clock(kNow);
    DnsLinks links(server.settings(), clock);
    int first = 0;
    int others = 0;
    boost::asio::co_spawn(context, count_good(&links, "example.org", &first),
        boost::asio::bind_cancellation_slot(hang_up.slot(), boost::asio::detached));
    for (int i = 0; i < 3; ++i) {
        boost::asio::co_spawn(
            context, count_good(&links, "example.org", &others), boost::asio::detached);
    }
    context.run();
    EXPECT_EQ(first, 0);
    EXPECT_EQ(others, 3);
    EXPECT_EQ(server.questions(), 2);
}

TEST(DnsLinks, RefusesMoreThanItMayAskAtATime) {
    const Server server(nothing);
    ManualClock clock(kNow);
    DnsLinkSettings settings = server.settings(std::chrono::milliseconds(300));
    settings.most_at_once = 1;
    DnsLinks links(settings, clock);
    boost::asio::io_context context;
    int first = 0;
    int second = 0;
    boost::asio::co_spawn(context, count_good(&links, "a.example", &first), boost::asio::detached);
    boost::asio::co_spawn(context, count_good(&links, "b.example", &second), boost::asio::detached);
    context.run();
    EXPECT_EQ(first, 1);
    EXPECT_EQ(second, 0);
}

TEST(DnsLinks, KeepsNoMoreThanItMay) {
    const Server server(always({.text = "dnslink=/ipfs/bafkqaaa", .ttl = 100}));
    ManualClock clock(kNow);
    DnsLinkSettings settings = server.settings();
    settings.most_kept = 2;
    DnsLinks links(settings, clock);
    for (const char* const domain : {"a.example", "b.example", "c.example"}) {
        EXPECT_EQ(ask(links, domain), 1);
        EXPECT_TRUE(links.find(domain));
    }
    EXPECT_FALSE(links.find("a.example") && links.find("b.example"));
}

TEST(DnsLinks, IsTheOneRecordThatIsAPathToContent) {
    const auto of = [](const std::vector<std::string>& texts) {
        return dnslink_of("d.example", texts);
    };
    EXPECT_EQ(
        of({"v=spf1", "dnslink=/ipns/b.example/c", "dnslink=/dnslink/d.example", "dnslink=x"}),
        "/ipns/b.example/c");
    EXPECT_EQ(of({"dnslink=/ipfs/a", "dnslink=/ipns/b.example"}).error().status, 502);
    for (const std::string& wrong :
        {std::string("/ipfs/a"), std::string("dnslink=/ipfs/"), std::string("dnslink=/ipfs/a b"),
            std::string("dnslink=/ipfs/a\n"), std::string("dnslink=https://example.org"),
            std::string("DNSLINK=/ipfs/a"), "dnslink=/ipfs/" + std::string(1024, 'a')}) {
        EXPECT_EQ(of({wrong}).error().status, 404) << wrong;
    }
    EXPECT_EQ(of({}).error().status, 404);
}

TEST(DnsLinks, AsksOnlyForDomains) {
    for (const char* const good : {"example.org", "a-b.c_d.example", "EXAMPLE.ORG"}) {
        EXPECT_TRUE(is_domain(good)) << good;
    }
    for (const std::string& bad : {std::string("localhost"), std::string("a..b"), std::string(".a"),
             std::string("a b.c"), std::string("a/b.c"), std::string(64, 'a') + ".example",
             std::string(200, 'a') + "." + std::string(60, 'b')}) {
        EXPECT_FALSE(is_domain(bad)) << bad;
    }
}

TEST(DnsText, RefusesWhatIsMalformed) {
    const Bytes question = *from_hex(
        "000000000001000000000000"
        "0161"
        "00"
        "00100001");
    const Bytes good = answer_to(question, "hello", 7, 0);
    const auto read = parse_dns_texts(good);
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->texts, std::vector<std::string>{"hello"});
    EXPECT_EQ(read->ttl, std::chrono::seconds(7));
    for (std::size_t size = 0; size < good.size(); ++size) {
        EXPECT_FALSE(parse_dns_texts(BytesView(good).first(size))) << size;
    }
    EXPECT_EQ(parse_dns_texts(question).error().code(), CommonError::not_found);
}

}  // namespace

}  // namespace decloud::ipfs
