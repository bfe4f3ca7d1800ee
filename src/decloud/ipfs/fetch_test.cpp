#include "fetch.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/timeout.hpp>
#include <decloud/content/car_transfer.hpp>
#include <decloud/content/importer.hpp>
#include <decloud/content/reader.hpp>
#include <decloud/multiformats/car.hpp>
#include <decloud/net/testing/test_loop.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace decloud::ipfs {

namespace {

using content::Cid;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::size_t kFileBytes = 3'500'000;
constexpr std::uint64_t kMost = std::uint64_t{8} << 20U;

/// What a gateway does with every request.
enum class Manner {
    honest,
    tampers,
    truncates,
    cuts_cars,
    overflows,
    lacks,
    lacks_leaves,
    never_ends,
    trickles,
    never_answers,
    refuses,
    strays,
    redirects,
    redirects_in_circles,
    redirects_elsewhere,
};

/// A trustless gateway for what a store holds, honest or not.
class TestGateway {
  public:
    TestGateway(async::Executor executor, const content::BlockStore& store, Manner manner)
        : executor_(executor),
          store_(store),
          manner_(manner),
          server_(executor,
              [this](net::http::Exchange exchange) { return answer(std::move(exchange)); }) {}

    [[nodiscard]] net::Url url() const { return net::parse_url(server_.url()).value(); }
    [[nodiscard]] int blocks() const { return blocks_; }
    async::Task<void> stop() { return server_.stop(); }

  private:
    async::Task<void> answer(net::http::Exchange exchange) {
        const std::string target = exchange.request().target;
        net::http::ResponseHead head;
        switch (manner_) {
            case Manner::never_answers:
                co_await wait_for_hang_up(std::move(exchange));
                co_return;
            case Manner::refuses:
                head.status = 500;
                (void)co_await exchange.send(std::move(head), std::string("broken"));
                co_return;
            case Manner::redirects_in_circles:
            case Manner::redirects_elsewhere:
                co_await redirect(std::move(exchange),
                    manner_ == Manner::redirects_in_circles ? target : "http://127.0.0.2:1/");
                co_return;
            case Manner::redirects:
                if (!target.starts_with("/moved")) {
                    co_await redirect(std::move(exchange), "/moved" + target);
                    co_return;
                }
                break;
            default:
                break;
        }
        const std::size_t begin = target.find("/ipfs/") + 6;
        const Cid cid = Cid::parse(target.substr(begin, target.find('?') - begin)).value();
        if (target.find("format=car") != std::string::npos) {
            co_await send_car(std::move(exchange), cid);
        } else {
            co_await send_block(std::move(exchange), cid);
        }
    }

    async::Task<void> redirect(net::http::Exchange exchange, std::string location) {
        net::http::ResponseHead head;
        head.status = 302;
        head.headers.add("Location", location);
        (void)co_await exchange.send(std::move(head), std::string());
    }

    async::Task<void> wait_for_hang_up(net::http::Exchange exchange) {
        async::Event gone(executor_);
        const auto registration = exchange.hang_up().on_cancel([&gone] { gone.set(); });
        (void)co_await gone.wait(std::chrono::minutes(1));
    }

    async::Task<void> send_car(net::http::Exchange exchange, Cid root) {
        Bytes car = content::car_export(store_, {root}, kMost).value();
        std::size_t size = car.size();
        if (manner_ == Manner::tampers) {
            car[car.size() / 2] ^= 1U;
        } else if (manner_ == Manner::truncates || manner_ == Manner::cuts_cars) {
            size = car.size() / 2;
        } else if (manner_ == Manner::strays) {
            const Bytes stray(10, 9);
            car = multiformats::encode_car_header(std::vector<Cid>{root});
            multiformats::append_car_section(car, Cid::of(multiformats::Codec::raw, stray), stray);
            size = car.size();
        }
        net::http::ResponseHead head;
        head.status = manner_ == Manner::lacks ? 404 : 200;
        if (manner_ == Manner::never_ends) {
            size = multiformats::encode_car_header(std::vector<Cid>{root}).size();
        }
        head.headers.add("Content-Type", "application/vnd.ipld.car; version=1");
        (void)co_await exchange.start(std::move(head));
        for (std::size_t at = 0; manner_ == Manner::trickles && at < size; at += size / 8) {
            (void)co_await exchange.write(
                BytesView(car).subspan(at, std::min(size / 8, size - at)));
            co_await async::delay(std::chrono::milliseconds(500));
        }
        if (manner_ == Manner::trickles) {
            (void)co_await exchange.finish();
            co_return;
        }
        (void)co_await exchange.write(BytesView(car).first(size));
        if (manner_ == Manner::never_ends) {
            co_await repeat(std::move(exchange), section(root));
        } else if (size < car.size() && manner_ == Manner::truncates) {
            exchange.abort();
        } else {
            (void)co_await exchange.finish();
        }
    }

    Bytes section(const Cid& cid) {
        Bytes out;
        multiformats::append_car_section(out, cid, store_.get(cid).value().value());
        return out;
    }

    async::Task<void> repeat(net::http::Exchange exchange, Bytes bytes) {
        Bytes many;
        while (many.size() < 100'000) {
            many.insert(many.end(), bytes.begin(), bytes.end());
        }
        while (co_await exchange.write(many)) {
        }
    }

    async::Task<void> send_block(net::http::Exchange exchange, Cid cid) {
        ++blocks_;
        auto data = store_.get(cid).value().value_or(Bytes());
        net::http::ResponseHead head;
        const bool is_leaf = cid.codec() == multiformats::Codec::raw;
        if (manner_ == Manner::lacks || (manner_ == Manner::lacks_leaves && is_leaf)) {
            head.status = 404;
        } else if (manner_ == Manner::tampers || manner_ == Manner::strays) {
            data[data.size() / 2] ^= 1U;
        } else if (manner_ == Manner::overflows) {
            data.resize(content::kMaxBlock + 1);
        }
        if (manner_ == Manner::never_ends) {
            (void)co_await exchange.start(std::move(head));
            co_await repeat(std::move(exchange), data);
        } else if (manner_ == Manner::truncates) {
            head.headers.add("Content-Length", std::to_string(data.size()));
            (void)co_await exchange.start(std::move(head));
            (void)co_await exchange.write(BytesView(data).first(data.size() / 2));
            exchange.abort();
        } else {
            (void)co_await exchange.send(std::move(head), std::move(data));
        }
    }

    async::Executor executor_;
    const content::BlockStore& store_;
    Manner manner_;
    int blocks_ = 0;
    net::testing::TestServer server_;
};

/// As a time-out has to give something else.
async::Task<Result<std::optional<Fetched>>> optional_of(async::Task<Result<Fetched>> task) {
    CO_TRY(Fetched fetched, co_await std::move(task));
    co_return std::optional(std::move(fetched));
}

struct Outcome {
    Result<Fetched> fetched = fail(CommonError::internal);
    std::unique_ptr<content::BlockStore> store = content::make_memory_block_store();
    /// Of each gateway, how many blocks it was asked for.
    std::vector<int> asked;
};

class FetchTest : public ::testing::Test {
  protected:
    FetchTest() {
        Bytes file(kFileBytes);
        for (std::size_t i = 0; i < file.size(); ++i) {
            file[i] = static_cast<std::uint8_t>((i >> 12U) + (i >> 20U));
        }
        root_ = content::import_bytes(*source_, file).value().cid;
    }

    Outcome fetch(const std::vector<Manner>& manners, FetchLimits limits = {}) {
        Outcome outcome;
        net::testing::run_loop([&](async::Executor executor) -> async::Task<void> {
            std::vector<std::unique_ptr<TestGateway>> gateways;
            std::vector<net::Url> urls;
            for (const Manner manner : manners) {
                gateways.push_back(std::make_unique<TestGateway>(executor, *source_, manner));
                urls.push_back(gateways.back()->url());
            }
            net::http::Client client(executor, {}, net::OutboundPolicy::trusted());
            outcome.fetched =
                co_await fetch_content(client, urls, root_, "", *outcome.store, limits);
            co_await client.stop();
            for (const auto& gateway : gateways) {
                outcome.asked.push_back(gateway->blocks());
                co_await gateway->stop();
            }
        });
        return outcome;
    }

    void expect_whole(const Outcome& outcome) {
        ASSERT_TRUE(outcome.fetched) << outcome.fetched.error().message();
        EXPECT_EQ(outcome.fetched->end, root_);
        EXPECT_EQ(content::read_file(*outcome.store, root_, kMost).value(),
            content::read_file(*source_, root_, kMost).value());
    }

    /// Alone it is refused with the reason; beside an honest one that gives all of it.
    void expect_refused(Manner manner, const char* why, FetchLimits limits = {}) {
        const Outcome alone = fetch({manner}, limits);
        ASSERT_FALSE(alone.fetched);
        EXPECT_THAT(alone.fetched.error().message(), HasSubstr(why));
        EXPECT_FALSE(alone.store->has(root_).value());
        kind_ = alone.fetched.error();
        const Outcome both = fetch({manner, Manner::honest}, limits);
        expect_whole(both);
    }

    std::unique_ptr<content::BlockStore> source_ = content::make_memory_block_store();
    Cid root_ = Cid::parse("bafkqaaa").value();
    /// Of the last refusal.
    Error kind_ = CommonError::internal;
};

TEST_F(FetchTest, TakesACarFromOneGateway) {
    const Outcome outcome = fetch({Manner::honest});
    expect_whole(outcome);
    EXPECT_THAT(outcome.asked, ElementsAre(0));
    EXPECT_THAT(outcome.fetched->dropped, IsEmpty());
    EXPECT_GE(outcome.fetched->bytes, kFileBytes);
}

TEST_F(FetchTest, TakesBlocksFromSeveralGateways) {
    const Outcome outcome = fetch({Manner::lacks_leaves, Manner::honest, Manner::honest});
    expect_whole(outcome);
    EXPECT_THAT(outcome.fetched->dropped, IsEmpty());
}

TEST_F(FetchTest, GoesOnFromWhatHasArrivedAfterACut) {
    const Outcome outcome = fetch({Manner::cuts_cars});
    expect_whole(outcome);
    // The root and the first chunk came in the CAR.
    EXPECT_THAT(outcome.asked, ElementsAre(3));
}

TEST_F(FetchTest, RefusesTamperedBlocks) {
    expect_refused(Manner::tampers, "corrupt");
    EXPECT_EQ(kind_, make_error_code(CommonError::corrupt));
}
TEST_F(FetchTest, RefusesTruncatedAnswers) { expect_refused(Manner::truncates, "closed"); }
TEST_F(FetchTest, RefusesBlocksThatWereNotAskedFor) {
    expect_refused(Manner::strays, "not asked for");
}
TEST_F(FetchTest, SaysWhoLacksABlock) {
    expect_refused(Manner::lacks, "it lacks");
    EXPECT_EQ(kind_, make_error_code(CommonError::not_found));
}
TEST_F(FetchTest, SaysWhoAnswersWithAnError) { expect_refused(Manner::refuses, "500"); }
TEST_F(FetchTest, RefusesAnswersWithoutAnEnd) {
    expect_refused(Manner::never_ends, "again and again");
}
TEST_F(FetchTest, AsksASlowGatewayNoMore) {
    expect_refused(Manner::never_answers, "slow", {.block_time = std::chrono::seconds(3)});
}

TEST_F(FetchTest, RefusesBlocksThatAreTooLarge) {
    const Outcome outcome = fetch({Manner::overflows, Manner::overflows});
    ASSERT_FALSE(outcome.fetched);
    EXPECT_THAT(outcome.fetched.error().message(), HasSubstr("limit"));
    expect_whole(fetch({Manner::overflows, Manner::honest}));
}

TEST_F(FetchTest, FollowsFewRedirectsAndNoneElsewhere) {
    expect_whole(fetch({Manner::redirects}));
    expect_refused(Manner::redirects_in_circles, "too often");
    expect_refused(Manner::redirects_elsewhere, "redirects to");
}

TEST_F(FetchTest, NamesWhomItDropped) {
    const Outcome outcome = fetch({Manner::tampers, Manner::honest});
    expect_whole(outcome);
    EXPECT_THAT(outcome.fetched->dropped, SizeIs(1));
}

TEST_F(FetchTest, TakesNoMoreThanItsLimits) {
    for (const FetchLimits& limits :
        {FetchLimits{.max_bytes = 1'000'000}, FetchLimits{.max_blocks = 2}}) {
        for (const auto& manners :
            {std::vector{Manner::honest}, {Manner::honest, Manner::honest}}) {
            const Outcome outcome = fetch(manners, limits);
            ASSERT_FALSE(outcome.fetched);
            EXPECT_EQ(outcome.fetched.error(), make_error_code(CommonError::limit_exceeded));
            EXPECT_FALSE(outcome.store->has(root_).value());
        }
    }
}

TEST_F(FetchTest, EndsInTime) {
    const Outcome outcome =
        fetch({Manner::never_answers, Manner::never_answers}, {.time = std::chrono::seconds(1)});
    EXPECT_FALSE(outcome.fetched);
}

TEST_F(FetchTest, EndsInTimeWhileACarStreamsOn) {
    const Outcome outcome = fetch({Manner::trickles}, {.time = std::chrono::seconds(1)});
    ASSERT_FALSE(outcome.fetched);
    EXPECT_EQ(outcome.fetched.error(), make_error_code(CommonError::timeout));
}

TEST_F(FetchTest, EndsItsWorkWhenItIsCancelled) {
    net::testing::run_loop([&](async::Executor executor) -> async::Task<void> {
        TestGateway silent(executor, *source_, Manner::never_answers);
        const auto store = content::make_memory_block_store();
        net::http::Client client(executor, {}, net::OutboundPolicy::trusted());
        for (const std::size_t gateways : {1, 2}) {
            const auto fetched = co_await async::with_timeout(std::chrono::milliseconds(100),
                optional_of(fetch_content(
                    client, std::vector<net::Url>(gateways, silent.url()), root_, "", *store)));
            EXPECT_FALSE(fetched);
            EXPECT_FALSE(store->has(root_).value());
        }
        co_await client.stop();
        co_await silent.stop();
    });
}

TEST_F(FetchTest, TellsOfAllBeforeItIsVisible) {
    std::size_t told = 0;
    const FetchLimits limits{.before_commit = [&told](const auto& cids) -> Result<void> {
        told = cids.size();
        return fail(CommonError::permission_denied, "not wanted");
    }};
    const Outcome outcome = fetch({Manner::honest}, limits);
    EXPECT_EQ(told, 5U);
    EXPECT_EQ(outcome.fetched.error(), make_error_code(CommonError::permission_denied));
    EXPECT_FALSE(outcome.store->has(root_).value());
}

TEST_F(FetchTest, SaysThatNobodyWasAsked) {
    EXPECT_THAT(fetch({}).fetched.error().message(), HasSubstr("none was asked"));
}

}  // namespace

}  // namespace decloud::ipfs
