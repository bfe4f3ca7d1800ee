#include "debts.hpp"

#include "ledger_test_support.hpp"

#include <decloud/store/record_store.hpp>

namespace decloud::payments {
namespace {

using protocol::Promise;
using testing::kAsset;
using testing::kStart;

const std::string kAnna = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK";
const std::string kBert = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
constexpr std::uint64_t kHour = 3600;

class DebtsTest : public ::testing::Test {
  public:
    DebtsTest() { open(); }
    ~DebtsTest() override { close(); }

    void open() {
        records_ = store::RecordStore::open(folder_.path() / "home" / "records.sqlite").value();
        debts_ = std::make_unique<Debts>(
            DebtsContext{node_->context.get_executor(), node_->ledger(), *records_, node_->clock},
            DebtsSettings{.asset = kAsset});
        node_->run([this]() -> async::Task<void> {
            const auto started = co_await debts_->start();
            EXPECT_TRUE(started) << started.error().message();
        });
    }
    void close() {
        method_.reset();
        if (debts_) {
            node_->run([this]() -> async::Task<void> { co_await debts_->stop(); });
        }
        debts_.reset();
        records_.reset();
    }
    /// As if the process had been killed now.
    void kill_and_reopen() {
        const auto copy = folder_.path() / "copy";
        node_->copy_to(copy);
        const std::uint64_t now = node_->clock.unix_seconds().value;
        close();
        node_.reset();
        std::filesystem::remove_all(folder_.path() / "home");
        std::filesystem::rename(copy, folder_.path() / "home");
        node_ = std::make_unique<testing::Node>(
            folder_.path() / "home", testing::small_settings(), now);
        ASSERT_TRUE(node_->opened) << node_->opened.error().message();
        open();
    }

    void lose_records() {
        close();
        for (const char* end : {"", "-wal", "-shm"}) {
            std::filesystem::remove(
                folder_.path() / "home" / (std::string("records.sqlite") + end));
        }
        open();
    }

    [[nodiscard]] Promise promise(std::uint64_t amount = 1000) const {
        return {.id = kAnna,
            .amount = Amount(amount),
            .currency = kAsset,
            .due = {node_->clock.unix_seconds().value + kHour},
            .threshold = Amount(5000)};
    }

    /// The HTTP status of one call that costs 1000 and is paid by this promise; 208 if a repeat.
    int call(
        const Promise& promised, const std::string& signer = kAnna, Amount actual = Amount(1000)) {
        if (!method_) {
            method_ = make_promise_method(*debts_, node_->ledger(), node_->clock,
                [this](const protocol::Call& asked, const protocol::Terms& /*terms*/) {
                    seen_ = asked.credentials;
                    return limits_;
                });
        }
        int status = 0;
        node_->run([&]() -> async::Task<void> { status = co_await pay(promised, signer, actual); });
        return status;
    }

    /// What it owes is paid with money from the escrow.
    int repay(std::uint64_t amount, std::uint64_t before) {
        auto begun = debts_->repay(kAnna, Amount(amount), Amount(before));
        if (!begun) {
            return begun.error().http_status;
        }
        node_->run([&]() -> async::Task<void> {
            const PayerAccount channel{"channel:0x07"};
            EXPECT_TRUE(node_->ledger().record_chain(channel, testing::channel(1'000'000)));
            const auto hold = co_await node_->ledger().acquire(testing::request(channel, amount));
            EXPECT_TRUE(hold);
            EXPECT_TRUE(co_await node_->ledger().served(*hold));
            CallRecord record = testing::call_record();
            record.service = "payment";
            record.subject = promise_account(kAnna).text;
            EXPECT_TRUE(node_->ledger().commit(*hold, Amount(amount), record));
            EXPECT_TRUE(co_await node_->ledger().flush());
        });
        return 200;
    }

    Debts& debts() { return *debts_; }

    TemporaryFolder folder_;
    std::unique_ptr<testing::Node> node_ = std::make_unique<testing::Node>(folder_.path() / "home");
    std::optional<protocol::PromiseLimits> limits_ = protocol::PromiseLimits{.per_id = Amount(3000),
        .total = Amount(5000),
        .time = std::chrono::hours(2),
        .least = Amount(800)};
    std::vector<protocol::Credential> seen_;
    protocol::Problem last_;
    std::string last_header_;

  private:
    async::Task<int> pay(Promise promised, std::string signer, Amount actual) {
        auto asked = std::make_shared<protocol::Call>();
        const std::string field = protocol::format_promise(promised).value();
        asked->payment = protocol::parse_payment_header(field).value();
        asked->credentials = {{.kind = "opencloud", .id = "did:key:z6Mkother"},
            {.kind = "opencloud", .id = std::move(signer)}};
        protocol::Terms terms;
        terms.asset = kAsset;
        terms.max_price = Amount(1000);
        terms.subject = "bafy";
        EXPECT_TRUE(method_->handles(*asked, terms));
        auto inspected = method_->inspect(*asked, terms);
        if (!inspected) {
            last_ = inspected.error();
            co_return last_.http_status;
        }
        auto outcome = co_await method_->hold({.call = asked,
            .terms = std::make_shared<const protocol::Terms>(terms),
            .digest = Bytes32{},
            .inspected = std::move(*inspected)});
        if (!outcome) {
            last_ = outcome.error();
            co_return last_.http_status;
        }
        if (outcome->repeat) {
            co_return outcome->repeat->same_request ? 208 : 409;
        }
        EXPECT_TRUE(co_await outcome->hold->ready());
        EXPECT_TRUE(co_await outcome->hold->served());
        EXPECT_TRUE(outcome->hold->commit(actual, {}));
        EXPECT_TRUE(co_await node_->ledger().flush());
        for (const auto& [name, value] : outcome->hold->charged_headers()) {
            last_header_ = name + ": " + value;
        }
        co_return 200;
    }

    std::unique_ptr<store::RecordStore> records_;
    std::unique_ptr<Debts> debts_;
    std::unique_ptr<protocol::PaymentMethod> method_;
};

TEST_F(DebtsTest, APromisedCallIsOwedAndToldWhenItIsDue) {
    const Promise first = promise();
    EXPECT_EQ(call(first), 200);
    EXPECT_EQ(last_header_, "OpenCloud-Debt: 1000;id=\"" + kAnna + "\";currency=\"" + kAsset.text +
                                "\";due=" + std::to_string(first.due.value));
    EXPECT_EQ(call(promise(), kAnna, Amount(400)), 200);
    const Debt debt = debts().find(kAnna);
    EXPECT_EQ(debt.owed(), Amount(1400));
    EXPECT_EQ(debt.due, first.due);
    EXPECT_EQ(debt.threshold, Amount(5000));
    EXPECT_EQ(debts().total(), Amount(1400));
    EXPECT_EQ(debts().find(kBert).owed(), Amount());
}

TEST_F(DebtsTest, NobodyOwesMoreThanTheLimits) {
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(call(promise()), 200);
    }
    EXPECT_EQ(call(promise()), 402);
    EXPECT_EQ(last_.status, protocol::Status::payment_no_defer);
    Promise bert = promise();
    bert.id = kBert;
    EXPECT_EQ(call(bert, kBert), 200);
    EXPECT_EQ(call(bert, kBert), 200);
    EXPECT_EQ(debts().total(), Amount(5000));
    // The limit of all together.
    EXPECT_EQ(call(bert, kBert), 402);
    EXPECT_EQ(last_.status, protocol::Status::payment_no_defer);
}

TEST_F(DebtsTest, WhatIsPromisedMustBeEnoughSoonEnoughAndBySomebodyWhoSigns) {
    EXPECT_EQ(call(promise(799)), 402);
    EXPECT_EQ(last_.status, protocol::Status::payment_too_low);
    EXPECT_EQ(call(promise(800)), 200);
    // A bid that is taken is all that is owed.
    EXPECT_EQ(debts().find(kAnna).owed(), Amount(800));
    Promise late = promise();
    late.due.value += 2 * kHour;
    EXPECT_EQ(call(late), 402);
    EXPECT_EQ(last_.status, protocol::Status::payment_no_defer);
    Promise over = promise();
    over.due = node_->clock.unix_seconds();
    EXPECT_EQ(call(over), 402);
    EXPECT_EQ(call(promise(), kBert), 401);
    Promise other = promise();
    other.currency = {"BTC"};
    EXPECT_EQ(call(other), 402);
    EXPECT_EQ(last_.status, protocol::Status::payment_acceptable);
    limits_.reset();
    EXPECT_EQ(call(promise()), 402);
    EXPECT_EQ(last_.status, protocol::Status::payment_no_defer);
    EXPECT_EQ(debts().total(), Amount(800));
}

TEST_F(DebtsTest, WhoElseSignsGivesNoCredit) {
    EXPECT_EQ(call(promise()), 200);
    ASSERT_EQ(seen_.size(), 1U);
    EXPECT_EQ(seen_[0].id, kAnna);
}

TEST_F(DebtsTest, ARequestThatIsSentAgainIsNoSecondPromise) {
    Promise keyed = promise();
    keyed.key = "k1";
    EXPECT_EQ(call(keyed), 200);
    EXPECT_EQ(call(keyed), 208);
    kill_and_reopen();
    EXPECT_EQ(call(keyed), 208);
    EXPECT_EQ(debts().find(kAnna).owed(), Amount(1000));
}

TEST_F(DebtsTest, AKillLosesNoDebtAndNoPayment) {
    EXPECT_EQ(call(promise()), 200);
    EXPECT_EQ(call(promise()), 200);
    kill_and_reopen();
    EXPECT_EQ(debts().find(kAnna).owed(), Amount(2000));
    EXPECT_EQ(debts().total(), Amount(2000));
    EXPECT_EQ(repay(1500, 0), 200);
    EXPECT_EQ(debts().find(kAnna).owed(), Amount(500));
    kill_and_reopen();
    EXPECT_EQ(debts().find(kAnna).owed(), Amount(500));
    EXPECT_EQ(debts().find(kAnna).paid, Amount(1500));
    EXPECT_EQ(debts().total(), Amount(500));
    EXPECT_TRUE(debts().find(kAnna).due.has_value());
}

TEST_F(DebtsTest, NothingIsPaidTwiceOrTooMuch) {
    EXPECT_EQ(call(promise()), 200);
    EXPECT_EQ(repay(1001, 0), 409);
    EXPECT_EQ(repay(600, 0), 200);
    // The debtor did not hear of it and pays again.
    EXPECT_EQ(repay(400, 0), 409);
    EXPECT_EQ(repay(400, 600), 200);
    EXPECT_EQ(repay(1, 1000), 409);
    const auto first_asks = call(promise());
    EXPECT_EQ(first_asks, 200);
    const auto one = debts().repay(kAnna, Amount(10), Amount(1000));
    ASSERT_TRUE(one);
    EXPECT_FALSE(debts().repay(kAnna, Amount(10), Amount(1000)));
}

TEST_F(DebtsTest, ADebtWhoseRecordIsLostIsStillOwedAndDue) {
    EXPECT_EQ(call(promise()), 200);
    lose_records();
    EXPECT_EQ(debts().find(kAnna).owed(), Amount(1000));
    EXPECT_EQ(debts().total(), Amount(1000));
    EXPECT_TRUE(debts().find(kAnna).due.has_value());
    EXPECT_EQ(debts().list().size(), 1U);
}

TEST_F(DebtsTest, APromiseThatIsPaidInTimeIsKept) {
    EXPECT_EQ(call(promise()), 200);
    node_->clock.advance(std::chrono::minutes(10));
    // Due later, so another promise.
    EXPECT_EQ(call(promise()), 200);
    EXPECT_EQ(repay(1000, 0), 200);
    EXPECT_EQ(debts().find(kAnna).kept, 1U);
    EXPECT_EQ(repay(1000, 1000), 200);
    EXPECT_EQ(debts().find(kAnna).kept, 2U);
    node_->clock.advance(std::chrono::hours(3));
    EXPECT_EQ(debts().find(kAnna).broken, 0U);
    EXPECT_EQ(call(promise()), 200);
}

TEST_F(DebtsTest, APromiseThatIsDueSoonerMakesThoseBeforeItDueToo) {
    EXPECT_EQ(call(promise()), 200);
    Promise sooner = promise();
    sooner.due.value -= 1800;
    EXPECT_EQ(call(sooner), 200);
    EXPECT_EQ(debts().find(kAnna).due, sooner.due);
    node_->clock.advance(std::chrono::minutes(31));
    EXPECT_EQ(debts().find(kAnna).broken, 1U);
}

TEST_F(DebtsTest, ABrokenPromiseEndsDeferralAlsoAfterItIsPaidAndARestart) {
    EXPECT_EQ(call(promise()), 200);
    node_->clock.advance(std::chrono::hours(1) + std::chrono::seconds(1));
    EXPECT_EQ(debts().find(kAnna).broken, 1U);
    EXPECT_EQ(call(promise()), 402);
    EXPECT_EQ(last_.status, protocol::Status::payment_no_defer);
    EXPECT_EQ(repay(1000, 0), 200);
    EXPECT_EQ(debts().find(kAnna).kept, 0U);
    EXPECT_EQ(call(promise()), 402);
    node_->run([this]() -> async::Task<void> { co_await debts().stop(); });
    kill_and_reopen();
    EXPECT_EQ(debts().find(kAnna).broken, 1U);
    EXPECT_EQ(call(promise()), 402);
    Promise bert = promise();
    bert.id = kBert;
    EXPECT_EQ(call(bert, kBert), 200);
}

TEST_F(DebtsTest, WhatIsForgivenIsOwedNoMoreAlsoAfterAKill) {
    EXPECT_EQ(call(promise()), 200);
    node_->clock.advance(std::chrono::hours(1) + std::chrono::seconds(1));
    EXPECT_EQ(call(promise()), 402);
    node_->run([this]() -> async::Task<void> {
        EXPECT_FALSE(co_await debts().forgive(kBert));
        const auto forgiven = co_await debts().forgive(kAnna);
        EXPECT_TRUE(forgiven && forgiven->owed().is_zero() && forgiven->broken == 0);
    });
    EXPECT_EQ(debts().total(), Amount());
    kill_and_reopen();
    EXPECT_EQ(debts().find(kAnna).owed(), Amount());
    EXPECT_EQ(debts().find(kAnna).promised, Amount(1000));
    EXPECT_EQ(call(promise()), 200);
    EXPECT_EQ(debts().find(kAnna).owed(), Amount(1000));
    EXPECT_EQ(repay(1000, 1000), 200);
}

}  // namespace
}  // namespace decloud::payments
