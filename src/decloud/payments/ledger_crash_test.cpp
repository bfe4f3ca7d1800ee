#include "internal/served_ahead.hpp"
#include "ledger.hpp"
#include "ledger_test_support.hpp"

#include <decloud/async/timeout.hpp>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <map>
#include <random>
#include <set>

namespace decloud::payments::testing {
namespace {

constexpr std::size_t kPayers = 5;

PayerAccount payer_at(std::size_t index) { return {"channel:0x0" + std::to_string(index)}; }

/// What the ledger must agree with, written in the simplest way.
struct Model {
    struct Hold {
        HoldId id;
        std::size_t payer = 0;
        std::uint64_t held = 0;
        std::optional<std::string> key;
    };
    std::array<std::uint64_t, kPayers> reserved{};
    std::array<std::uint64_t, kPayers> spent{};
    std::vector<Hold> holds;
    std::set<std::string> keys;
    std::uint64_t finished = 0;

    [[nodiscard]] std::uint64_t left(std::size_t payer) const {
        std::uint64_t left = reserved[payer] - spent[payer];
        for (const Hold& hold : holds) {
            left -= hold.payer == payer ? hold.held : 0;
        }
        return left;
    }
};

class RandomLedger {
  public:
    explicit RandomLedger(std::uint32_t seed) : random_(seed) { open(); }

    void step() {
        switch (random_() % 16) {
            case 0:
                fund();
                return;
            case 1:
                kill();
                return;
            case 2:
                node_->run([this]() -> async::Task<void> {
                    EXPECT_TRUE(co_await node_->ledger().checkpoint());
                });
                return;
            case 3:
            case 4:
            case 5:
            case 6:
            case 7:
                hold();
                return;
            default:
                if (!model_.holds.empty()) {
                    touch();
                }
        }
    }

    void check() {
        Ledger& ledger = node_->ledger();
        for (std::size_t i = 0; i < kPayers; ++i) {
            ASSERT_EQ(ledger.spent(payer_at(i)).amount, Amount(model_.spent[i]));
            ASSERT_EQ(ledger.spendable(payer_at(i)), Amount(model_.left(i)));
            ASSERT_LE(model_.spent[i], model_.reserved[i]);
        }
        ASSERT_EQ(ledger.running(), model_.holds.size());
        ASSERT_EQ(ledger.counter("all"), model_.finished + model_.holds.size());
    }

  private:
    void open() {
        node_ = std::make_unique<Node>(folder_.path() / "home");
        ASSERT_TRUE(node_->opened) << node_->opened.error().message();
    }

    /// Everything that was done is on disk when the kill comes; running calls are released by it.
    void kill() {
        node_->run(
            [this]() -> async::Task<void> { EXPECT_TRUE(co_await node_->ledger().flush()); });
        node_->copy_to(folder_.path() / "copy");
        node_.reset();
        std::filesystem::remove_all(folder_.path() / "home");
        std::filesystem::rename(folder_.path() / "copy", folder_.path() / "home");
        open();
        model_.holds.clear();
    }

    void fund() {
        const std::size_t payer = random_() % kPayers;
        model_.reserved[payer] += random_() % 20'000;
        ASSERT_TRUE(
            node_->ledger().record_chain(payer_at(payer), channel(model_.reserved[payer], 100)));
    }

    void hold() {
        const std::size_t payer = random_() % kPayers;
        const std::uint64_t max = random_() % 3000 + 1;
        auto wanted = request(payer_at(payer), max);
        wanted.counters.push_back({"all", UINT64_MAX, std::nullopt});
        if (random_() % 2 == 0) {
            wanted.idempotency_key = "key" + std::to_string(random_() % 200);
            wanted.expires = UnixSeconds{kStart + 600};
        }
        const auto key = wanted.idempotency_key;
        Result<HoldId> got = HoldId{};
        node_->run([&]() -> async::Task<void> {
            got = co_await node_->ledger().acquire(std::move(wanted));
            if (got && key) {
                EXPECT_TRUE(co_await node_->ledger().begin(*got));
            }
        });
        if (key && model_.keys.contains(*key)) {
            ASSERT_EQ(got.error(), make_error_code(PaymentError::already_used));
        } else if (model_.left(payer) < max) {
            ASSERT_FALSE(got);
        } else {
            ASSERT_TRUE(got) << got.error().message();
            model_.holds.push_back({*got, payer, max, key});
            if (key) {
                model_.keys.insert(*key);
            }
        }
    }

    void touch() {
        const std::size_t at = random_() % model_.holds.size();
        Model::Hold& hold = model_.holds[at];
        const std::uint64_t actual = random_() % (hold.held + 1);
        Ledger& ledger = node_->ledger();
        switch (random_() % 5) {
            case 0: {
                const std::uint64_t more = random_() % 2000;
                const auto extended = ledger.extend(hold.id, Amount(more));
                if (extended) {
                    ASSERT_LE(more, model_.left(hold.payer));
                    hold.held += more;
                }
                return;
            }
            case 1:
                ASSERT_TRUE(ledger.commit_interval(hold.id, Amount(actual), call_record()));
                hold.held -= actual;
                model_.spent[hold.payer] += actual;
                return;
            case 2:
                ASSERT_TRUE(ledger.release(hold.id, ReleaseReason::other));
                break;
            default:
                node_->run(
                    [&]() -> async::Task<void> { EXPECT_TRUE(co_await ledger.served(hold.id)); });
                ASSERT_TRUE(ledger.commit(hold.id, Amount(actual), call_record()));
                model_.spent[hold.payer] += actual;
                ++model_.finished;
        }
        model_.holds.erase(model_.holds.begin() + static_cast<std::ptrdiff_t>(at));
    }

    std::minstd_rand random_;
    TemporaryFolder folder_;
    std::unique_ptr<Node> node_;
    Model model_;
};

TEST(LedgerProperties, RandomSequencesWithKillsAgreeWithTheModel) {
    for (std::uint32_t seed = 1; seed <= 4; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        RandomLedger ledger(seed);
        for (int i = 0; i < 250; ++i) {
            ledger.step();
            ASSERT_NO_FATAL_FAILURE(ledger.check());
        }
    }
}

/// What the killed process tells before it acts on it: like the first byte of an answer.
struct Told {
    enum Kind : std::uint32_t { key_durable, served, committed, flushed } kind;
    std::uint32_t worker;
    std::uint64_t number;
};

LedgerSettings crash_settings() {
    LedgerSettings settings;
    settings.checkpoint_bytes = 256 * kKiB;
    settings.log_segment_bytes = kMiB;
    settings.slice = Amount(5000);
    return settings;
}

std::string key_of(std::uint32_t round, std::uint32_t worker, std::uint64_t number) {
    return std::to_string(round) + ":" + std::to_string(worker) + ":" + std::to_string(number);
}

void tell(int out, Told what) {
    if (::write(out, &what, sizeof(what)) != sizeof(what)) {
        ::_exit(5);
    }
}

async::Task<void> work(Ledger& ledger, int out, std::uint32_t round, std::uint32_t worker) {
    for (std::uint64_t number = 0;; ++number) {
        auto wanted = request(payer_at(worker % kPayers), 1000);
        if (number % 2 == 0) {
            wanted.idempotency_key = key_of(round, worker, number);
            wanted.expires = UnixSeconds{kStart + 600};
        }
        const bool has_key = wanted.idempotency_key.has_value();
        const auto hold = co_await ledger.acquire(std::move(wanted));
        if (!hold) {
            co_await async::delay(std::chrono::milliseconds(1));
            continue;
        }
        if (has_key) {
            if (!co_await ledger.begin(*hold)) {
                ::_exit(6);
            }
            tell(out, {Told::key_durable, worker, number});
        }
        if (!co_await ledger.served(*hold)) {
            static_cast<void>(ledger.release(*hold, ReleaseReason::overload));
            continue;
        }
        tell(out, {Told::served, worker, number});
        if (!ledger.commit(*hold, Amount(1000), call_record())) {
            ::_exit(7);
        }
        tell(out, {Told::committed, worker, number});
        if (number % 8 == 0) {
            if (!co_await ledger.flush()) {
                ::_exit(8);
            }
            tell(out, {Told::flushed, worker, number});
        }
    }
}

[[noreturn]] void serve_until_killed(
    const std::filesystem::path& home, int out, std::uint32_t round) {
    Node node(home, crash_settings());
    if (!node.opened) {
        ::_exit(3);
    }
    for (std::size_t i = 0; i < kPayers; ++i) {
        if (!node.ledger().record_chain(payer_at(i), channel(1'000'000'000))) {
            ::_exit(4);
        }
    }
    async::TaskGroup group(node.context.get_executor());
    for (std::uint32_t worker = 0; worker < 16; ++worker) {
        group.spawn(work(node.ledger(), out, round, worker));
    }
    node.context.restart();
    node.context.run();
    ::_exit(9);
}

struct Round {
    std::set<std::string> durable_keys;
    std::uint64_t served = 0;
    std::uint64_t committed = 0;
    /// Commits that a later flush of the same worker covered.
    std::uint64_t durable_commits = 0;
};

Round watch(int in, pid_t child, std::uint32_t round, std::uint64_t stop_after) {
    Round seen;
    std::map<std::uint32_t, std::uint64_t> open_commits;
    std::uint64_t count = 0;
    Told what{};
    while (::read(in, &what, sizeof(what)) == sizeof(what)) {
        switch (what.kind) {
            case Told::key_durable:
                seen.durable_keys.insert(key_of(round, what.worker, what.number));
                break;
            case Told::served:
                ++seen.served;
                break;
            case Told::committed:
                ++seen.committed;
                ++open_commits[what.worker];
                break;
            case Told::flushed:
                seen.durable_commits += open_commits[what.worker];
                open_commits[what.worker] = 0;
                break;
        }
        if (++count == stop_after) {
            ::kill(child, SIGKILL);
        }
    }
    return seen;
}

TEST(LedgerCrash, KilledTwentyTimesUnderLoadItAgreesToTheUnit) {
    const TemporaryFolder folder;
    const auto home = folder.path() / "home";
    std::minstd_rand random(20261121);
    std::uint64_t spent_before = 0;
    std::set<std::string> keys;
    for (std::uint32_t round = 0; round < 20; ++round) {
        std::array<int, 2> ends{};
        ASSERT_EQ(::pipe(ends.data()), 0);
        const pid_t child = ::fork();
        if (child == 0) {
            ::close(ends[0]);
            serve_until_killed(home, ends[1], round);
        }
        ::close(ends[1]);
        const Round seen = watch(ends[0], child, round, random() % 4000 + 1);
        ::close(ends[0]);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << "exit code " << WEXITSTATUS(status);

        Node node(home, crash_settings());
        ASSERT_TRUE(node.opened) << node.opened.error().message();
        Ledger& ledger = node.ledger();
        std::uint64_t spent = 0;
        for (const PayerView& payer : ledger.payers()) {
            ASSERT_EQ(payer.spent.amount, Amount(payer.spent.calls * 1000));
            ASSERT_EQ(payer.held, Amount(0));
            spent += payer.spent.calls;
        }
        const std::uint64_t charged = spent - spent_before;
        // Nothing that was flushed is lost; nothing is charged that was not served; what was served
        // and is not charged is exactly what recovery reports, but for calls whose record of it was
        // not told any more.
        ASSERT_GE(charged, seen.durable_commits);
        ASSERT_LE(charged, seen.served + 16);
        ASSERT_GE(charged + ledger.recovery().served_released, seen.served);
        ASSERT_LE(ledger.recovery().served_released + ledger.recovery().held_released,
            32U + internal::ServedAhead::kMostCalls + seen.committed - seen.durable_commits);
        keys.insert(seen.durable_keys.begin(), seen.durable_keys.end());
        for (const std::string& key : keys) {
            ASSERT_TRUE(ledger.idempotency(key)) << key;
        }
        spent_before = spent;
    }
    EXPECT_GT(spent_before, 100U);
}

}  // namespace
}  // namespace decloud::payments::testing
