#include "automatic_trials.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/base/testing/temporary_folder.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <gtest/gtest.h>

namespace decloud::payments {
namespace {

const Address kProvider = parse_address("0x" + std::string(40, 'a')).value();

Address user(unsigned number) {
    Address out;
    out.bytes[18] = static_cast<std::uint8_t>(number >> 8U);
    out.bytes[19] = static_cast<std::uint8_t>(number);
    return out;
}

class AutomaticTrialsTest : public ::testing::Test {
  public:
    AutomaticTrialsTest() { open(); }
    ~AutomaticTrialsTest() override { close(); }

    void open() {
        engine = make_sqlite_state_engine(folder.path() / "slices.sqlite", pool).value();
        LedgerSettings settings;
        settings.directory = folder.path() / "ledger";
        ledger = Ledger::open(settings, context.get_executor(), *engine, clock).value();
        trials = std::make_unique<AutomaticTrials>(*ledger, clock, kProvider, rules);
    }

    void close() {
        async::TaskGroup group(context.get_executor());
        group.spawn([](AutomaticTrialsTest& test) -> async::Task<void> {
            const auto closed = co_await test.ledger->close();
            EXPECT_TRUE(closed);
        }(*this));
        finish(group);
        ledger.reset();
        engine.reset();
    }

    void reopen() {
        close();
        open();
    }

    /// One free call, from asking to the end; false if there was none.
    bool call(const Address& caller) {
        bool done = false;
        async::TaskGroup group(context.get_executor());
        group.spawn([](AutomaticTrialsTest& test, Address by, bool* out) -> async::Task<void> {
            const auto source = test.trials->find(by);
            if (!source) {
                co_return;
            }
            HoldRequest request;
            request.payer = source->account;
            request.asset = {std::string(kTrialAsset)};
            request.max = Amount(1);
            request.counters = {source->day};
            const auto hold = co_await test.ledger->acquire(std::move(request));
            EXPECT_TRUE(hold) << hold.error().message();
            EXPECT_TRUE(co_await test.ledger->served(hold.value()));
            EXPECT_TRUE(test.ledger->commit(hold.value(), Amount(1), {}));
            EXPECT_TRUE(co_await test.ledger->flush());
            *out = true;
        }(*this, caller, &done));
        finish(group);
        return done;
    }

    unsigned calls_until_refused(const Address& caller) {
        unsigned count = 0;
        while (call(caller)) {
            ++count;
        }
        return count;
    }

    void finish(const async::TaskGroup& group) {
        context.restart();
        while (group.size() > 0) {
            context.run_one();
        }
    }

    boost::asio::io_context context;
    boost::asio::thread_pool pool{1};
    ManualClock clock{{1'790'000'000}};
    TemporaryFolder folder;
    AutomaticTrialRules rules{
        .calls_per_identity = 3, .calls_per_day = 5, .anyone = false, .listed = {user(1)}};
    std::unique_ptr<StateEngine> engine;
    std::unique_ptr<Ledger> ledger;
    std::unique_ptr<AutomaticTrials> trials;
};

TEST_F(AutomaticTrialsTest, AListedIdentityGetsItsCallsOnceAlsoOverRestarts) {
    EXPECT_TRUE(call(user(1)));
    reopen();
    EXPECT_EQ(calls_until_refused(user(1)), 2U);
    reopen();
    EXPECT_FALSE(call(user(1)));
    clock.advance(std::chrono::hours(48));
    EXPECT_FALSE(call(user(1)));
    EXPECT_EQ(ledger->spent(gift_account(kProvider, user(1))).calls, 3U);
}

TEST_F(AutomaticTrialsTest, AKeyThatIsNotListedGetsNone) {
    EXPECT_FALSE(call(user(2)));
    EXPECT_TRUE(ledger->payers().empty());
}

TEST_F(AutomaticTrialsTest, ThatAllTogetherGetInADayIsBoundedHoweverManyKeysThereAre) {
    rules.anyone = true;
    reopen();
    unsigned calls = 0;
    for (unsigned number = 0; number < 100; ++number) {
        calls += calls_until_refused(user(number));
    }
    EXPECT_EQ(calls, 5U);
    EXPECT_EQ(trials->used_today(), 5U);
    // Who came too late left nothing behind.
    EXPECT_EQ(ledger->payers().size(), 2U);
    clock.advance(std::chrono::hours(24));
    EXPECT_EQ(calls_until_refused(user(50)), 3U);
}

TEST_F(AutomaticTrialsTest, NobodyGetsAnyWhereTheyAreOff) {
    rules.anyone = true;
    rules.calls_per_identity = 0;
    reopen();
    EXPECT_FALSE(call(user(1)));
}

TEST_F(AutomaticTrialsTest, NoneIsOwedToTheChainAfterAStart) {
    EXPECT_EQ(calls_until_refused(user(1)), 3U);
    reopen();
    EXPECT_FALSE(call(user(1)));
    EXPECT_TRUE(ledger->unsettled().empty());
}

TEST_F(AutomaticTrialsTest, MoreCallsForEachCountForThoseWhoHadSome) {
    EXPECT_EQ(calls_until_refused(user(1)), 3U);
    rules.calls_per_identity = 4;
    reopen();
    EXPECT_EQ(calls_until_refused(user(1)), 1U);
    rules.calls_per_identity = 1;
    clock.advance(std::chrono::hours(24));
    reopen();
    EXPECT_FALSE(call(user(1)));
}

TEST(GiftAccount, IsReadBack) {
    EXPECT_EQ(parse_gift_account(gift_account(kProvider, user(7))).value(), user(7));
    EXPECT_FALSE(parse_gift_account(trial_account(kProvider, user(7))));
    EXPECT_FALSE(parse_gift_account({"gift:"}));
}

}  // namespace
}  // namespace decloud::payments
