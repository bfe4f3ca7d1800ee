#include "internal/checkpoint.hpp"
#include "internal/receipt_ids.hpp"
#include "ledger_test_support.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/crypto/hash.hpp>
#include <decloud/store/log.hpp>
#include <decloud/store/sqlite.hpp>

#include <gtest/gtest.h>

#include <span>

namespace decloud::payments::testing {
namespace {

using internal::FinishedRecord;
using internal::RecordType;

FinishedRecord finished(internal::ReceiptIds& ids, std::uint64_t serial) {
    FinishedRecord record;
    record.serial = serial;
    record.receipt_serial = serial;
    record.receipt = ids.make(serial);
    record.amount = Amount(1000 + serial);
    record.calls = 1;
    record.time = UnixSeconds{kStart};
    record.call = call_record();
    record.call.response_bytes = serial;
    return record;
}

/// A home as the version before `finished_short` left it when it was killed: one folded receipt,
/// two finished calls in the log.
class EarlierHome {
  public:
    explicit EarlierHome(const std::filesystem::path& home) {
        std::filesystem::create_directories(home);
        key_.fill(42);
        internal::ReceiptIds ids(key_);
        for (std::uint64_t serial = 1; serial <= 3; ++serial) {
            records.push_back(finished(ids, serial));
        }
        fold(home / "ledger.sqlite");
        log(home / "log");
    }

    std::vector<FinishedRecord> records;

  private:
    void fold(const std::filesystem::path& path) const {
        // As the version that wrote RecordType::finished made it.
        auto database =
            store::Database::open(path, std::span(internal::kCheckpointMigrations).first(1));
        ASSERT_TRUE(database) << database.error().message();
        internal::Encoder encoded;
        encode(encoded, records[0]);
        internal::Encoder end;
        end.integer(static_cast<std::uint32_t>(encoded.view().size()));
        auto row = database->prepare("INSERT INTO receipts VALUES (1, 1, ?1, ?2, ?3)");
        ASSERT_TRUE(row->bind(1, static_cast<std::int64_t>(kStart))
                .bind(2, encoded.view())
                .bind(3, end.view())
                .run());
        internal::Encoder next;
        next.integer(std::uint64_t{2});
        auto meta =
            database->prepare("INSERT INTO meta VALUES ('receipt_key', ?1), ('next_receipt', ?2)");
        ASSERT_TRUE(meta->bind(1, BytesView(key_)).bind(2, next.view()).run());
    }

    void log(const std::filesystem::path& directory) const {
        boost::asio::io_context context;
        store::LogSettings settings;
        settings.directory = directory;
        settings.segment_bytes = 256 * kKiB;
        auto log = store::GroupCommitLog::open(settings, context.get_executor(), 1,
            [](const store::LogRecord&) -> Result<void> { return {}; });
        ASSERT_TRUE(log);
        internal::PayerRecord payer;
        payer.payer = kPayer;
        payer.chain = channel(1'000'000);
        append(**log, RecordType::payer, payer);
        append(**log, RecordType::finished, records[1]);
        append(**log, RecordType::finished, records[2]);
    }

    template <class Record>
    static void append(store::GroupCommitLog& log, RecordType type, const Record& record) {
        internal::Encoder encoded;
        encode(encoded, record);
        ASSERT_TRUE(
            log.append(static_cast<std::uint8_t>(type), encoded.view(), store::LogUse::closing));
    }

    internal::ReceiptKey key_{};
};

async::Task<void> expect_receipt(Ledger& ledger, FinishedRecord record) {
    const auto receipt = co_await ledger.receipt(record.receipt);
    EXPECT_TRUE(receipt) << receipt.error().message();
    if (receipt) {
        EXPECT_EQ(receipt->amount, record.amount);
        EXPECT_EQ(receipt->call.response_bytes, record.call.response_bytes);
        EXPECT_EQ(receipt->call.subject, record.call.subject);
    }
}

TEST(LedgerFormat, TheFirstSchemaIsStillWhatEarlierVersionsMadeTheirFilesWith) {
    const store::Migration& first = internal::kCheckpointMigrations[0];
    EXPECT_EQ(first.version, 1);
    EXPECT_EQ(to_hex(crypto::sha256(as_bytes(first.statements))),
        "a123bb92d23dbdcbcfedd15ecd59b4f848a8c428d17fc1c2bdd61a2d36874a36");
}

TEST(LedgerFormat, ReadsTheLogAndTheReceiptsOfAnEarlierVersion) {
    const TemporaryFolder folder;
    const EarlierHome earlier(folder.path() / "home");
    ReceiptId newer;
    for (int start = 0; start < 2; ++start) {
        Node node(folder.path() / "home");
        ASSERT_TRUE(node.opened) << node.opened.error().message();
        ASSERT_TRUE(node.ledger().record_chain(kPayer, channel(1'000'000)));
        node.run([&]() -> async::Task<void> {
            for (const FinishedRecord& record : earlier.records) {
                co_await expect_receipt(node.ledger(), record);
            }
            if (start == 0) {
                EXPECT_EQ(node.ledger().spent(kPayer).amount, Amount(1002 + 1003));
                const auto hold = co_await node.ledger().acquire(request(kPayer, 500));
                const auto receipt = node.ledger().commit(hold.value(), Amount(500), call_record());
                newer = receipt.value();
            }
            EXPECT_EQ(node.ledger().spent(kPayer).amount, Amount(1002 + 1003 + 500));
            const auto kept = co_await node.ledger().receipt(newer);
            EXPECT_TRUE(kept && kept->amount == Amount(500));
        });
    }
}

/// Batches of receipts begin elsewhere in a replay than they did when the records were written.
TEST(LedgerFormat, ReplaysShortRecordsOverManyBatchesWithoutTheCheckpointBetween) {
    const TemporaryFolder folder;
    std::vector<ReceiptId> receipts;
    LedgerSettings settings = small_settings();
    settings.checkpoint_bytes = kGiB;
    settings.log_segment_bytes = kMiB;
    {
        Node node(folder.path() / "home", settings);
        ASSERT_TRUE(node.ledger().record_chain(kPayer, channel(1'000'000)));
        node.run([&]() -> async::Task<void> {
            for (int i = 0; i < 600; ++i) {
                const auto hold = co_await node.ledger().acquire(request(kPayer, 10));
                CallRecord call = call_record();
                call.response_bytes = static_cast<std::uint64_t>(i / 7);
                const auto receipt =
                    node.ledger().commit(hold.value(), Amount(1 + i % 3), std::move(call));
                receipts.push_back(receipt.value());
            }
            EXPECT_TRUE(co_await node.ledger().flush());
        });
        node.copy_to(folder.path() / "copy");
    }
    Node node(folder.path() / "copy", settings);
    ASSERT_TRUE(node.opened) << node.opened.error().message();
    EXPECT_EQ(node.ledger().spent(kPayer).amount, Amount(1200));
    node.run([&]() -> async::Task<void> {
        for (std::size_t i = 0; i < receipts.size(); ++i) {
            const auto receipt = co_await node.ledger().receipt(receipts[i]);
            EXPECT_TRUE(receipt && receipt->amount == Amount(1 + i % 3) &&
                        receipt->call.response_bytes == i / 7)
                << i;
        }
    });
}

}  // namespace
}  // namespace decloud::payments::testing
