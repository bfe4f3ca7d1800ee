#include "ledger.hpp"

#include "ledger_test_support.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/store/error.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>

namespace decloud::payments::testing {
namespace {

using ::testing::HasSubstr;

TEST_F(LedgerTest, ChargesWhatIsCommittedAndGivesTheRestBack) {
    fund(5000);
    const auto hold = node().ledger().hold(request(kPayer, 3000));
    ASSERT_TRUE(hold);
    EXPECT_EQ(node().ledger().spendable(kPayer), Amount(2000));
    ASSERT_TRUE(node().ledger().commit(*hold, Amount(1200), call_record()));
    EXPECT_EQ(node().ledger().spendable(kPayer), Amount(3800));
    const Spent spent = node().ledger().spent(kPayer);
    EXPECT_EQ(spent.amount, Amount(1200));
    EXPECT_EQ(spent.calls, 2U) << "a row may not ask for more than price times calls";
    EXPECT_EQ(node().ledger().running(), 0U);
}

TEST_F(LedgerTest, RefusesWhatIsNotThereAndSaysHowMuchIs) {
    fund(5000);
    const auto hold = node().ledger().hold(request(kPayer, 4000));
    ASSERT_TRUE(hold);
    const auto refused = node().ledger().hold(request(kPayer, 2000));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), make_error_code(PaymentError::insufficient_funds));
    EXPECT_THAT(refused.error().detail(), HasSubstr("1000 available"));
    EXPECT_EQ(node().ledger().hold(request({"channel:0x02"}, 1)).error(),
        make_error_code(PaymentError::unknown_payer));
    EXPECT_EQ(node().ledger().commit(*hold, Amount(4001), call_record()).error(),
        make_error_code(PaymentError::exceeds_hold));
    auto other_asset = request(kPayer, 1);
    other_asset.asset.text = "BTC";
    EXPECT_EQ(
        node().ledger().hold(other_asset).error(), make_error_code(CommonError::invalid_input));
}

TEST_F(LedgerTest, AHoldEndsOnce) {
    fund(5000);
    const auto hold = node().ledger().hold(request(kPayer, 1000));
    ASSERT_TRUE(hold);
    ASSERT_TRUE(node().ledger().release(*hold, ReleaseReason::sandbox_failed));
    EXPECT_EQ(node().ledger().release(*hold, ReleaseReason::other).error(),
        make_error_code(PaymentError::unknown_hold));
    const auto next = node().ledger().hold(request(kPayer, 1000));
    ASSERT_TRUE(next);
    EXPECT_EQ(node().ledger().commit(*hold, Amount(1), call_record()).error(),
        make_error_code(PaymentError::unknown_hold))
        << "an old id never reaches another call's hold";
    EXPECT_EQ(node().ledger().spent(kPayer).amount, Amount(0));
}

TEST_F(LedgerTest, ExtendsAndChargesIntervals) {
    fund(5000);
    const auto hold = node().ledger().hold(request(kPayer, 1000));
    ASSERT_TRUE(hold);
    ASSERT_TRUE(node().ledger().extend(*hold, Amount(2000)));
    EXPECT_EQ(node().ledger().extend(*hold, Amount(2001)).error(),
        make_error_code(PaymentError::insufficient_funds));
    ASSERT_TRUE(node().ledger().commit_interval(*hold, Amount(1000), call_record()));
    EXPECT_EQ(node().ledger().spent(kPayer).amount, Amount(1000));
    EXPECT_EQ(node().ledger().spendable(kPayer), Amount(2000));
    ASSERT_TRUE(node().ledger().commit(*hold, Amount(500), call_record()));
    EXPECT_EQ(node().ledger().spendable(kPayer), Amount(3500));
}

TEST_F(LedgerTest, CountersStopExactlyAtTheirLimit) {
    fund(1'000'000);
    const auto limited = [] {
        auto wanted = request(kPayer, 1000);
        wanted.counters.push_back({"bafy|any|day:2026-11-21", 3, UnixSeconds{kStart + 86400}});
        return wanted;
    };
    std::vector<HoldId> holds;
    for (int i = 0; i < 3; ++i) {
        const auto hold = node().ledger().hold(limited());
        ASSERT_TRUE(hold);
        holds.push_back(*hold);
    }
    const auto refused = node().ledger().hold(limited());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), make_error_code(PaymentError::counter_exhausted));
    EXPECT_THAT(refused.error().detail(), HasSubstr("bafy|any|day:2026-11-21: 3 of 3"));
    ASSERT_TRUE(node().ledger().release(holds[0], ReleaseReason::overload));
    const auto again = node().ledger().hold(limited());
    ASSERT_TRUE(again) << "a released call gives its count back";
    for (const HoldId hold : {holds[1], holds[2], *again}) {
        ASSERT_TRUE(node().ledger().commit(hold, Amount(1000), call_record()));
    }
    reopen();
    EXPECT_EQ(node().ledger().counter("bafy|any|day:2026-11-21"), 3U);
    node().run([&]() -> async::Task<void> {
        EXPECT_EQ((co_await node().ledger().acquire(limited())).error(),
            make_error_code(PaymentError::counter_exhausted));
    });
}

TEST_F(LedgerTest, ForgetsCountersAndKeysAfterTheirTime) {
    fund(1'000'000);
    auto wanted = request(kPayer, 1000);
    wanted.counters.push_back({"yesterday", 3, UnixSeconds{kStart + 100}});
    wanted.idempotency_key = "nonce";
    wanted.expires = UnixSeconds{kStart + 100};
    const auto hold = node().ledger().hold(wanted);
    ASSERT_TRUE(hold);
    ASSERT_TRUE(node().ledger().commit(*hold, Amount(1000), call_record()));
    ASSERT_TRUE(node().ledger().idempotency("nonce"));
    node().clock.set(UnixSeconds{kStart + 101});
    node().run([&]() -> async::Task<void> { EXPECT_TRUE(co_await node().ledger().checkpoint()); });
    EXPECT_EQ(node().ledger().counter("yesterday"), 0U);
    EXPECT_FALSE(node().ledger().idempotency("nonce"));
    // The clock is set back: the key is gone, and still not accepted.
    node().clock.set(UnixSeconds{kStart});
    EXPECT_EQ(node().ledger().hold(wanted).error(), make_error_code(PaymentError::expired));
    reopen();
    EXPECT_EQ(node().ledger().hold(wanted).error(), make_error_code(PaymentError::expired));
}

TEST_F(LedgerTest, AnIdempotencyKeyIsUsedOnceAndTellsHowItEnded) {
    fund(1'000'000);
    const ReceiptId receipt = spend(1000, "auth:1");
    auto repeat = request(kPayer, 1000);
    repeat.idempotency_key = "auth:1";
    repeat.expires = UnixSeconds{kStart + 300};
    EXPECT_EQ(node().ledger().hold(repeat).error(), make_error_code(PaymentError::already_used));
    const auto entry = node().ledger().idempotency("auth:1");
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->state, CallState::finished);
    EXPECT_EQ(entry->receipt, receipt);
    kill_and_reopen();
    EXPECT_EQ(node().ledger().hold(repeat).error(), make_error_code(PaymentError::already_used));
    EXPECT_EQ(node().ledger().idempotency("auth:1")->receipt, receipt);
    repeat.idempotency_key = "auth:2";
    repeat.expires = UnixSeconds{kStart};
    EXPECT_EQ(node().ledger().hold(repeat).error(), make_error_code(PaymentError::expired));
    repeat.expires = UnixSeconds{kStart + 25 * 3600};
    EXPECT_EQ(node().ledger().hold(repeat).error(), make_error_code(PaymentError::expired));
}

TEST_F(LedgerTest, ReleasesAfterAKillWhatWasNotFinishedAndKeepsItsKeySpent) {
    fund(10'000);
    auto held = request(kPayer, 1000);
    held.idempotency_key = "held";
    held.expires = UnixSeconds{kStart + 300};
    auto served = held;
    served.idempotency_key = "served";
    node().run([&]() -> async::Task<void> {
        EXPECT_TRUE(node().ledger().hold(held));
        // One of the two is already in a checkpoint when the kill comes.
        EXPECT_TRUE(co_await node().ledger().checkpoint());
        const auto second = node().ledger().hold(served);
        EXPECT_TRUE(co_await node().ledger().served(*second));
    });
    kill_and_reopen();
    EXPECT_EQ(node().ledger().recovery().held_released, 1U);
    EXPECT_EQ(node().ledger().recovery().served_released, 1U);
    EXPECT_EQ(node().ledger().recovery().amount_released, Amount(2000));
    EXPECT_EQ(node().ledger().spent(kPayer).amount, Amount(0));
    EXPECT_EQ(node().ledger().spendable(kPayer), Amount(10'000));
    for (const char* key : {"held", "served"}) {
        const auto entry = node().ledger().idempotency(key);
        ASSERT_TRUE(entry) << key;
        EXPECT_EQ(entry->state, CallState::released);
        held.idempotency_key = key;
        EXPECT_EQ(node().ledger().hold(held).error(), make_error_code(PaymentError::already_used));
    }
    reopen();
    EXPECT_EQ(node().ledger().recovery().held_released, 0U) << "reported once";
}

TEST_F(LedgerTest, ACallThatHadBegunMayHaveBeenAnsweredWhenItIsKilled) {
    fund(10'000);
    node().run([&]() -> async::Task<void> {
        const auto hold = node().ledger().hold(request(kPayer, 1000));
        EXPECT_TRUE(co_await node().ledger().begin(*hold));
        EXPECT_TRUE(node().ledger().extend(*hold, Amount(500)));
        EXPECT_TRUE(co_await node().ledger().served(*hold));
        const auto other = node().ledger().hold(request(kPayer, 20));
        EXPECT_TRUE(co_await node().ledger().begin(*other));
        EXPECT_TRUE(co_await node().ledger().flush());
    });
    kill_and_reopen();
    EXPECT_EQ(node().ledger().recovery().served_released, 2U);
    EXPECT_EQ(node().ledger().recovery().amount_released, Amount(1520));
    EXPECT_EQ(node().ledger().spendable(kPayer), Amount(10'000));
}

TEST_F(LedgerTest, ManyCallsAtOnceAreServedByOneRecordAndCountedAfterAKill) {
    fund(1'000'000);
    std::uint64_t calls = 0;
    const auto call = [&](bool finishes) -> async::Task<void> {
        const auto hold = co_await node().ledger().acquire(request(kPayer, 10));
        EXPECT_TRUE(hold && co_await node().ledger().served(*hold));
        ++calls;
        if (finishes) {
            EXPECT_TRUE(node().ledger().commit(*hold, Amount(10), call_record()));
        }
    };
    node().run([&]() -> async::Task<void> {
        async::TaskGroup group(co_await boost::asio::this_coro::executor);
        for (int i = 0; i < 8; ++i) {
            group.spawn(call(true));
        }
        co_await group.join();
        for (int i = 0; i < 20; ++i) {
            co_await call(i >= 5);
        }
        EXPECT_TRUE(co_await node().ledger().flush());
        node().copy_to(folder_.path() / "copy");
    });
    EXPECT_EQ(calls, 28U);
    Node copy(folder_.path() / "copy", small_settings());
    ASSERT_TRUE(copy.opened) << copy.opened.error().message();
    EXPECT_EQ(copy.ledger().spent(kPayer).amount, Amount(230));
    EXPECT_EQ(copy.ledger().spendable(kPayer), Amount(999'770));
    const LedgerRecovery& recovery = copy.ledger().recovery();
    EXPECT_GE(recovery.served_released, 5U);
    EXPECT_LE(recovery.served_released, 128U) << "what was ahead and not used";
    EXPECT_EQ(recovery.amount_released, Amount(10 * recovery.served_released));
    // When nothing comes any more, nothing is ahead.
    node().run([&]() -> async::Task<void> {
        co_await async::delay(std::chrono::milliseconds(100));
        EXPECT_TRUE(co_await node().ledger().flush());
    });
    kill_and_reopen();
    EXPECT_EQ(node().ledger().recovery().served_released, 5U);
    EXPECT_EQ(node().ledger().spent(kPayer).amount, Amount(230));
}

TEST_F(LedgerTest, AStreamKeepsItsFinishedIntervalsAfterAKill) {
    fund(10'000);
    node().run([&]() -> async::Task<void> {
        const auto hold = node().ledger().hold(request(kPayer, 5000));
        EXPECT_TRUE(co_await node().ledger().served(*hold));
        EXPECT_TRUE(node().ledger().commit_interval(*hold, Amount(1000), call_record()));
        EXPECT_TRUE(node().ledger().commit_interval(*hold, Amount(1000), call_record()));
        EXPECT_TRUE(co_await node().ledger().flush());
    });
    kill_and_reopen();
    EXPECT_EQ(node().ledger().spent(kPayer).amount, Amount(2000));
    EXPECT_EQ(node().ledger().recovery().served_released, 1U);
    EXPECT_EQ(node().ledger().spendable(kPayer), Amount(8000));
}

TEST_F(LedgerTest, ReceiptsAreFoundInMemoryAndInTheFile) {
    fund(1'000'000);
    std::vector<ReceiptId> ids;
    const auto check = [&](const ReceiptId& id) {
        node().run([&]() -> async::Task<void> {
            const auto receipt = co_await node().ledger().receipt(id);
            EXPECT_TRUE(receipt) << receipt.error().message();
            EXPECT_EQ(receipt->amount, Amount(7));
            EXPECT_EQ(receipt->payer, kPayer);
            EXPECT_EQ(receipt->time, UnixSeconds{kStart});
            EXPECT_EQ(receipt->call.subject, call_record().subject);
        });
    };
    ids.push_back(spend(7));
    check(ids[0]);
    node().run([&]() -> async::Task<void> { EXPECT_TRUE(co_await node().ledger().checkpoint()); });
    for (int i = 0; i < 600; ++i) {
        const auto hold = node().ledger().hold(request(kPayer, 7));
        ids.push_back(node().ledger().commit(*hold, Amount(7), call_record()).value());
        flush_every(50, i);
    }
    reopen();
    for (const ReceiptId& id : ids) {
        check(id);
    }
    node().run([&]() -> async::Task<void> {
        ReceiptId unknown = ids[0];
        unknown.bytes[3] ^= 1U;
        EXPECT_EQ((co_await node().ledger().receipt(unknown)).error(),
            make_error_code(CommonError::not_found));
    });
    EXPECT_EQ(parse_receipt_id(to_string(ids[0])).value(), ids[0]);
}

TEST(ReceiptId, HasOneForm) {
    const std::string id = "00112233445566778899aabbccddeeff";
    EXPECT_EQ(to_string(parse_receipt_id(id).value()), id);
    for (const std::string& other : {std::string("00112233445566778899AABBCCDDEEFF"), "0x" + id,
             id + "00", id.substr(2), std::string(32, 'g'), std::string()}) {
        EXPECT_EQ(parse_receipt_id(other).error(), make_error_code(CommonError::invalid_input))
            << other;
    }
}

TEST_F(LedgerTest, ReceiptsAreBoundedAndSumsStay) {
    node_.reset();
    auto settings = small_settings();
    settings.max_receipts = 300;
    node_ = std::make_unique<Node>(folder_.path() / "home", settings);
    fund(1'000'000);
    const ReceiptId first = spend(1000);
    for (int i = 0; i < 999; ++i) {
        const auto hold = node().ledger().hold(request(kPayer, 1));
        ASSERT_TRUE(node().ledger().commit(*hold, Amount(1), call_record()));
        flush_every(50, i);
    }
    const ReceiptId last = spend(1);
    node().run([&]() -> async::Task<void> {
        EXPECT_TRUE(co_await node().ledger().checkpoint());
        EXPECT_FALSE(co_await node().ledger().receipt(first));
        EXPECT_TRUE(co_await node().ledger().receipt(last));
    });
    EXPECT_EQ(node().ledger().spent(kPayer).amount, Amount(2000));
}

TEST_F(LedgerTest, SlicesAreLeasedWhenTheyAreNeededAndResumedAfterAStart) {
    node_.reset();
    auto settings = small_settings();
    settings.slice = Amount(2000);
    node_ = std::make_unique<Node>(folder_.path() / "home", settings);
    ASSERT_TRUE(node().ledger().record_chain(kPayer, channel(10'000)));
    EXPECT_EQ(node().ledger().hold(request(kPayer, 1000)).error(),
        make_error_code(PaymentError::slice_exhausted));
    node().run([&]() -> async::Task<void> {
        async::TaskGroup group(node().context.get_executor());
        for (int i = 0; i < 10; ++i) {
            group.spawn([](Ledger& ledger) -> async::Task<void> {
                const auto hold = co_await ledger.acquire(request(kPayer, 1000));
                EXPECT_TRUE(hold) << hold.error().message();
                EXPECT_TRUE(ledger.commit(*hold, Amount(1000), call_record()));
            }(node().ledger()));
        }
        co_await group.join();
        EXPECT_EQ((co_await node().ledger().acquire(request(kPayer, 1))).error(),
            make_error_code(PaymentError::insufficient_funds));
    });
    EXPECT_EQ(node().ledger().spent(kPayer).amount, Amount(10'000));
    node_.reset();
    node_ = std::make_unique<Node>(folder_.path() / "home", settings);
    ASSERT_TRUE(node().ledger().record_chain(kPayer, channel(20'000)));
    EXPECT_EQ(node().ledger().hold(request(kPayer, 1)).error(),
        make_error_code(PaymentError::slice_exhausted))
        << "what was spent stays spent from the slice";
}

TEST_F(LedgerTest, ExposureIsBoundedPerChannelPerOwnerAndForTheNode) {
    node_.reset();
    auto settings = small_settings();
    settings.max_exposure_per_payer = Amount(3000);
    settings.max_exposure_per_owner = Amount(4000);
    settings.max_exposure = Amount(5000);
    node_ = std::make_unique<Node>(folder_.path() / "home", settings);
    const PayerAccount second{"channel:0x02"};
    const PayerAccount third{"channel:0x03"};
    auto other = channel(100'000);
    other.owner = "0x02";
    Ledger& ledger = node().ledger();
    ASSERT_TRUE(ledger.record_chain(kPayer, channel(100'000)));
    ASSERT_TRUE(ledger.record_chain(second, channel(100'000)));
    ASSERT_TRUE(ledger.record_chain(third, other));
    node().run([&]() -> async::Task<void> {
        const auto refusal = [&](PayerAccount payer,
                                 std::uint64_t amount) -> async::Task<std::string> {
            const auto hold = co_await ledger.acquire(request(payer, amount));
            EXPECT_FALSE(hold);
            EXPECT_EQ(hold.error(), make_error_code(PaymentError::exposure_limit));
            co_return hold ? "" : hold.error().detail();
        };
        EXPECT_EQ(co_await refusal(kPayer, 3001), "per channel");
        const auto first = co_await ledger.acquire(request(kPayer, 3000));
        EXPECT_TRUE(ledger.commit(*first, Amount(3000), call_record()));
        EXPECT_EQ(co_await refusal(second, 1001), "per owner");
        EXPECT_EQ(ledger.spendable(second), Amount(1000));
        EXPECT_TRUE(co_await ledger.acquire(request(second, 1000)));
        EXPECT_EQ(co_await refusal(third, 1001), "of this node");
        EXPECT_EQ(ledger.exposure().at(kAsset).amount, Amount(4000));
        EXPECT_TRUE(co_await ledger.note_sent_rows({{kPayer, kAsset, 3, Amount(3000)}}));
        auto settled = channel(100'000);
        settled.claimed_on_chain = Amount(3000);
        settled.calls_on_chain = 3;
        EXPECT_TRUE(ledger.record_chain(kPayer, settled));
        EXPECT_EQ(ledger.exposure().at(kAsset).amount, Amount(1000));
        EXPECT_TRUE(co_await ledger.acquire(request(third, 3000)));
    });
}

TEST_F(LedgerTest, DiskUseAndStartDoNotGrowWithTheNumberOfCalls) {
    node_.reset();
    auto settings = small_settings();
    settings.max_receipts = 1000;
    node_ = std::make_unique<Node>(folder_.path() / "home", settings);
    fund(1'000'000'000, 1);
    const auto use = [&] {
        std::uintmax_t bytes = 0;
        for (const auto& entry :
            std::filesystem::recursive_directory_iterator(folder_.path() / "home")) {
            bytes += entry.is_regular_file() ? entry.file_size() : 0;
        }
        return bytes;
    };
    const auto spend_many = [&] {
        node().run([&]() -> async::Task<void> {
            for (int i = 0; i < 20'000; ++i) {
                const auto hold = co_await node().ledger().acquire(request(kPayer, 1));
                EXPECT_TRUE(hold);
                const auto done = node().ledger().commit(*hold, Amount(1), call_record());
                if (!done || i % 100 == 0) {
                    EXPECT_TRUE(co_await node().ledger().flush());
                }
                if (!done) {
                    EXPECT_EQ(done.error(), make_error_code(CommonError::unavailable));
                    EXPECT_TRUE(node().ledger().release(*hold, ReleaseReason::overload));
                }
            }
            EXPECT_TRUE(co_await node().ledger().checkpoint());
        });
    };
    spend_many();
    const auto after_first = use();
    spend_many();
    spend_many();
    // Twice as many again would take some 12 MB more if anything but the bounded receipts were
    // kept.
    EXPECT_LT(use(), after_first + 5 * kMiB);
    kill_and_reopen();
    EXPECT_LT(node().ledger().recovery().log_records, 2000U);
}

TEST_F(LedgerTest, RefusesBeforeItChargesWhenTheDiskIsFullAndRecovers) {
    fund(1'000'000);
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    const rlimit tiny{1, before.rlim_max};
    node().run([&]() -> async::Task<void> {
        EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &tiny), 0);
        Result<HoldId> hold = HoldId{};
        Result<void> served;
        while (hold && served) {
            hold = co_await node().ledger().acquire(request(kPayer, 1));
            if (hold) {
                served = co_await node().ledger().served(*hold);
                EXPECT_TRUE(node().ledger().release(*hold, ReleaseReason::overload));
            }
        }
        EXPECT_EQ(hold ? served.error() : hold.error(), make_error_code(CommonError::disk_full));
        EXPECT_EQ(node().ledger().spent(kPayer).amount, Amount(0));
        EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
        served = fail(CommonError::disk_full);
        while (!served) {
            co_await async::delay(std::chrono::milliseconds(1));
            hold = co_await node().ledger().acquire(request(kPayer, 1));
            if (hold) {
                served = co_await node().ledger().served(*hold);
                EXPECT_TRUE(node().ledger().release(*hold, ReleaseReason::overload));
            }
        }
    });
    spend(1000);
    kill_and_reopen();
    EXPECT_EQ(node().ledger().spent(kPayer).amount, Amount(1000));
}

TEST_F(LedgerTest, RefusesADamagedLogAndADamagedFileByName) {
    fund(10'000);
    for (int i = 0; i < 9; ++i) {
        spend(1000);
    }
    const auto copy = folder_.path() / "copy";
    node().copy_to(copy);
    std::filesystem::path segment;
    for (const auto& entry : std::filesystem::directory_iterator(copy / "log")) {
        segment = entry.path().extension() == ".log" ? entry.path() : segment;
    }
    {
        std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(700);
        file.put('\x5a');
    }
    const Node damaged_log(copy);
    ASSERT_FALSE(damaged_log.opened);
    EXPECT_EQ(damaged_log.opened.error(), make_error_code(StoreError::damaged));
    EXPECT_THAT(damaged_log.opened.error().detail(), HasSubstr(segment.filename().string()));

    node_.reset();
    std::ofstream(folder_.path() / "home" / "ledger.sqlite", std::ios::trunc)
        << std::string(8192, 'x');
    const Node damaged_file(folder_.path() / "home");
    ASSERT_FALSE(damaged_file.opened);
    EXPECT_EQ(damaged_file.opened.error(), make_error_code(StoreError::damaged));
    EXPECT_THAT(damaged_file.opened.error().detail(), HasSubstr("ledger.sqlite"));
}

}  // namespace
}  // namespace decloud::payments::testing
