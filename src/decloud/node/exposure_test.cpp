#include "exposure.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/base/testing/temporary_folder.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <gtest/gtest.h>

#include <map>
#include <memory>

namespace decloud::node {
namespace {

const AssetId kUsdc{"eip155:31337/erc20:0x1"};

/// Keeps the last value of each gauge under its name and label.
class Gauges final : public metrics::Registry {
  public:
    metrics::Counter& counter(
        std::string_view name, std::string_view help, metrics::Labels labels) override {
        return metrics::null_registry().counter(name, help, std::move(labels));
    }
    metrics::Gauge& gauge(
        std::string_view name, std::string_view /*help*/, metrics::Labels labels) override {
        return all_[std::string(name) + (labels.empty() ? "" : " " + labels.at(0).second)];
    }
    metrics::Histogram& histogram(std::string_view name,
        std::string_view help,
        metrics::Labels labels,
        std::vector<double> bounds) override {
        return metrics::null_registry().histogram(name, help, std::move(labels), std::move(bounds));
    }
    [[nodiscard]] double value(const std::string& name) { return all_.at(name).last; }

  private:
    struct Last final : metrics::Gauge {
        void set(double value) override { last = value; }
        double last = -1;
    };
    std::map<std::string, Last> all_;
};

/// A ledger with limits of 10 a channel, 15 an identity and 20 in all.
class ExposureTest : public ::testing::Test {
  public:
    ExposureTest()
        : engine(
              payments::make_sqlite_state_engine(folder.path() / "slices.sqlite", pool).value()) {
        payments::LedgerSettings settings;
        settings.directory = folder.path() / "ledger";
        settings.max_exposure_per_payer = limits.channel;
        settings.max_exposure_per_owner = limits.identity;
        settings.max_exposure = limits.node;
        ledger = payments::Ledger::open(settings, context.get_executor(), *engine, clock).value();
    }
    ~ExposureTest() override {
        run([](ExposureTest& test) -> async::Task<void> {
            const auto closed = co_await test.ledger->close();
            EXPECT_TRUE(closed);
        });
    }

    void run(async::Task<void> (*body)(ExposureTest&)) {
        async::TaskGroup group(context.get_executor());
        group.spawn(body(*this));
        context.restart();
        while (group.size() > 0) {
            context.run_one();
        }
    }

    void record(std::string account, std::string owner, std::uint64_t claimed, AssetId asset) {
        payments::ChannelState state;
        state.asset = std::move(asset);
        state.owner = std::move(owner);
        state.reserved = Amount(100);
        state.claimed_on_chain = Amount(claimed);
        EXPECT_TRUE(ledger->record_chain({std::move(account)}, std::move(state)));
    }

    /// As much as the ledger lets it, one unit at a time; half stays held.
    async::Task<std::uint64_t> spend(std::string account, AssetId asset, std::uint64_t most) {
        for (std::uint64_t done = 0; done < most; ++done) {
            payments::HoldRequest request;
            request.payer = {account};
            request.asset = asset;
            request.max = Amount(1);
            const auto hold = co_await ledger->acquire(std::move(request));
            if (!hold) {
                EXPECT_EQ(hold.error(), make_error_code(PaymentError::exposure_limit));
                co_return done;
            }
            if (done % 2 == 0) {
                EXPECT_TRUE(ledger->commit(*hold, Amount(1), {}));
            }
        }
        co_return most;
    }

    boost::asio::io_context context;
    boost::asio::thread_pool pool{1};
    ManualClock clock{{1'790'000'000}};
    TemporaryFolder folder;
    ExposureLimits limits{.channel = Amount(10), .identity = Amount(15), .node = Amount(20)};
    std::unique_ptr<payments::StateEngine> engine;
    std::unique_ptr<payments::Ledger> ledger;
};

TEST_F(ExposureTest, EachBoundHoldsAndTheReportSaysHowMuchOfItIsUsed) {
    record("channel:a", "ann", 5, kUsdc);
    record("channel:b", "ann", 0, kUsdc);
    record("channel:c", "bob", 0, kUsdc);
    record("trial:d", "bob", 0, {"decloud:trial-calls"});
    run([](ExposureTest& test) -> async::Task<void> {
        EXPECT_EQ(co_await test.spend("channel:a", kUsdc, 50), 10U);
        EXPECT_EQ(co_await test.spend("channel:b", kUsdc, 50), 5U);
        EXPECT_EQ(co_await test.spend("channel:c", kUsdc, 50), 5U);
        EXPECT_EQ(co_await test.spend("trial:d", {"decloud:trial-calls"}, 4), 4U);
    });
    const ExposureReport report = measure_exposure(*ledger, kUsdc, Amount(10));
    EXPECT_EQ(report.node, Amount(20));
    ASSERT_EQ(report.channels.size(), 3U);
    EXPECT_EQ(report.channels[0].account, "channel:a");
    EXPECT_EQ(report.channels[0].amount, Amount(10));
    EXPECT_EQ(report.identities.at("ann"), Amount(15));
    EXPECT_EQ(report.identities.at("bob"), Amount(5));
    EXPECT_EQ(ledger->exposure().at(kUsdc).amount, report.node);

    Gauges gauges;
    ExposureGauges(gauges, limits).set(report);
    EXPECT_EQ(gauges.value("decloud_exposure_limit_units channel"), 10);
    EXPECT_EQ(gauges.value("decloud_exposure_limit_units identity"), 15);
    EXPECT_EQ(gauges.value("decloud_exposure_limit_units node"), 20);
    EXPECT_EQ(gauges.value("decloud_exposure_largest_units channel"), 10);
    EXPECT_EQ(gauges.value("decloud_exposure_largest_units identity"), 15);

    const json::Object shown = exposure_json(report, limits, kUsdc, Amount(10));
    EXPECT_EQ(json::string_member(shown, "node").value(), "20");
    const auto identities = json::array_member(shown, "identities").value();
    EXPECT_EQ(json::string_member(identities.at(0).get_object(), "identity").value(), "ann");
}

TEST_F(ExposureTest, WhatIsNotWorthItsRowIsWrittenOffWhenItsChannelEnds) {
    record("channel:a", "ann", 0, kUsdc);
    record("channel:b", "bob", 0, kUsdc);
    record("channel:c", "cleo", 0, kUsdc);
    run([](ExposureTest& test) -> async::Task<void> {
        EXPECT_EQ(co_await test.spend("channel:a", kUsdc, 1), 1U);
        EXPECT_EQ(co_await test.spend("channel:b", kUsdc, 3), 3U);
        EXPECT_EQ(co_await test.spend("channel:c", kUsdc, 5), 5U);
        // Half of it, rounded up, has finished.
    });
    const auto written_off = [&] {
        return measure_exposure(*ledger, kUsdc, Amount(1)).written_off;
    };
    const auto end = [&](const std::string& name, bool for_good) {
        payments::ChannelState state = ledger->payer({name}).value().chain;
        state.closing = true;
        state.is_final = for_good;
        ASSERT_TRUE(ledger->record_chain({name}, state));
    };
    EXPECT_EQ(written_off(), Amount()) << "open channels may still earn more";
    end("channel:a", false);
    EXPECT_EQ(written_off(), Amount(1)) << "1 is less than two rows";
    end("channel:b", false);
    EXPECT_EQ(written_off(), Amount(1)) << "2 are worth a row of 1";
    end("channel:c", true);
    EXPECT_EQ(written_off(), Amount(4)) << "nothing is claimed from an ended channel";
    const ExposureReport report = measure_exposure(*ledger, kUsdc, Amount(1));
    EXPECT_EQ(report.node, Amount(9)) << "what is written off still counts against the bounds";
    Gauges gauges;
    ExposureGauges(gauges, limits).set(report);
    EXPECT_EQ(gauges.value("decloud_written_off_units"), 4);
    const json::Object shown = exposure_json(report, limits, kUsdc, Amount(1));
    EXPECT_EQ(json::string_member(shown, "writtenOff").value(), "4");
    EXPECT_EQ(json::string_member(shown, "rowCost").value(), "1");
}

TEST_F(ExposureTest, WhatTheChainHasIsNoRiskAnyMore) {
    record("channel:a", "ann", 0, kUsdc);
    run([](ExposureTest& test) -> async::Task<void> {
        EXPECT_EQ(co_await test.spend("channel:a", kUsdc, 1), 1U);
        EXPECT_TRUE(co_await test.ledger->note_sent_rows(
            {{{"channel:a"}, kUsdc, test.ledger->spent({"channel:a"}).calls, Amount(1)}}));
    });
    EXPECT_EQ(measure_exposure(*ledger, kUsdc, Amount(10)).node, Amount(1));
    payments::ChannelState state = ledger->payer({"channel:a"}).value().chain;
    state.claimed_on_chain = Amount(1);
    state.calls_on_chain = ledger->spent({"channel:a"}).calls;
    ASSERT_TRUE(ledger->record_chain({"channel:a"}, state));
    EXPECT_TRUE(measure_exposure(*ledger, kUsdc, Amount(10)).channels.empty());
    EXPECT_TRUE(measure_exposure(*ledger, kUsdc, Amount(10)).node.is_zero());
}

}  // namespace
}  // namespace decloud::node
