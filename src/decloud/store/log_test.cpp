#include "log.hpp"

#include "error.hpp"
#include "internal/crc32c.hpp"
#include "internal/segment.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/async/timeout.hpp>
#include <decloud/base/testing/temporary_folder.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace decloud::store {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

struct Opened {
    Result<std::unique_ptr<GroupCommitLog>> log;
    std::vector<std::string> records;
};

LogSettings settings_for(const fs::path& directory) {
    LogSettings settings;
    settings.directory = directory;
    settings.segment_bytes = 64 * kKiB;
    return settings;
}

Opened open_log(
    const fs::path& directory, boost::asio::io_context& context, std::uint64_t from = 1) {
    Opened opened{fail(CommonError::internal), {}};
    opened.log = GroupCommitLog::open(settings_for(directory), context.get_executor(), from,
        [&](const LogRecord& record) -> Result<void> {
            opened.records.emplace_back(as_text(record.payload));
            return {};
        });
    return opened;
}

void run(boost::asio::io_context& context, std::function<async::Task<void>()> body) {
    async::TaskGroup group(context.get_executor());
    group.spawn(body());
    context.restart();
    context.run();
    ASSERT_EQ(group.size(), 0U);
}

void append_durably(
    GroupCommitLog& log, boost::asio::io_context& context, const std::string& payload) {
    run(context, [&]() -> async::Task<void> {
        auto sequence = log.append(1, as_bytes(payload), LogUse::opening);
        while (!sequence && sequence.error() == make_error_code(CommonError::unavailable)) {
            // These segments are tiny: the next one is still being made.
            co_await async::delay(std::chrono::milliseconds(1));
            sequence = log.append(1, as_bytes(payload), LogUse::opening);
        }
        EXPECT_TRUE(sequence) << sequence.error().message();
        const auto done = co_await log.durable(sequence.value());
        EXPECT_TRUE(done) << done.error().message();
    });
}

/// Leaves a log with these records behind, closed.
void write_log(const fs::path& directory,
    boost::asio::io_context& context,
    const std::vector<std::string>& records) {
    const auto opened = open_log(directory, context);
    for (const std::string& record : records) {
        append_durably(*opened.log.value(), context, record);
    }
}

Bytes read_all(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

void write_all(const fs::path& path, BytesView content) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(content.data()),
        static_cast<std::streamsize>(content.size()));
}

/// Where the content of a segment ends.
std::size_t used(const Bytes& segment) {
    std::size_t end = segment.size();
    while (end > 0 && segment[end - 1] == 0) {
        --end;
    }
    return end;
}

fs::path only_segment(const fs::path& directory) { return internal::segment_path(directory, 1); }

TEST(Crc32c, MatchesThePublishedValue) {
    EXPECT_EQ(internal::crc32c(0, as_bytes("123456789")), 0xE3069283U);
    EXPECT_EQ(
        internal::crc32c(internal::crc32c(0, as_bytes("1234")), as_bytes("56789")), 0xE3069283U);
}

TEST(GroupCommitLog, ReplaysWhatWasAppended) {
    const TemporaryFolder folder;
    boost::asio::io_context context;
    {
        auto opened = open_log(folder.path(), context);
        ASSERT_TRUE(opened.log) << opened.log.error().message();
        for (int i = 0; i < 100; ++i) {
            append_durably(**opened.log, context, "record " + std::to_string(i));
        }
        EXPECT_FALSE((*opened.log)->is_durable(101));
    }
    auto opened = open_log(folder.path(), context);
    ASSERT_TRUE(opened.log) << opened.log.error().message();
    ASSERT_EQ(opened.records.size(), 100U);
    EXPECT_EQ(opened.records[99], "record 99");
    EXPECT_EQ((*opened.log)->recovery().last_sequence, 100U);
    EXPECT_EQ((*opened.log)->recovery().bytes_cut, 0U);
}

TEST(GroupCommitLog, SharesOneSyncAmongManyWaiters) {
    const TemporaryFolder folder;
    boost::asio::io_context context;
    LogSettings settings = settings_for(folder.path());
    // Nobody waits for its end: the first who waits starts the sync.
    settings.gather = std::chrono::hours(1);
    const auto log = GroupCommitLog::open(
        settings, context.get_executor(), 1, [](const LogRecord&) -> Result<void> { return {}; });
    ASSERT_TRUE(log);
    std::vector<std::uint64_t> sequences;
    for (int i = 0; i < 64; ++i) {
        const auto sequence = (*log)->append(1, as_bytes("x"), LogUse::opening);
        ASSERT_TRUE(sequence);
        sequences.push_back(*sequence);
    }
    int resumed = 0;
    async::TaskGroup group(context.get_executor());
    for (const std::uint64_t sequence : sequences) {
        group.spawn([](GroupCommitLog& target, std::uint64_t own, int& count) -> async::Task<void> {
            EXPECT_TRUE(co_await target.durable(own));
            ++count;
        }(**log, sequence, resumed));
    }
    context.run();
    EXPECT_EQ(resumed, 64);
    EXPECT_EQ((*log)->statistics().syncs, 1U);
}

TEST(GroupCommitLog, GoesOnInNewSegmentsAndDropsOldOnes) {
    const TemporaryFolder folder;
    boost::asio::io_context context;
    const std::string payload(1000, 'p');
    {
        auto opened = open_log(folder.path(), context);
        ASSERT_TRUE(opened.log);
        for (int i = 0; i < 300; ++i) {
            append_durably(**opened.log, context, payload);
        }
        EXPECT_GE((*opened.log)->statistics().segments, 5U);
        (*opened.log)->rotate();
        append_durably(**opened.log, context, "last");
        (*opened.log)->drop_before(301);
    }
    auto opened = open_log(folder.path(), context, 301);
    ASSERT_TRUE(opened.log) << opened.log.error().message();
    EXPECT_EQ(opened.records, std::vector<std::string>{"last"});
    EXPECT_EQ((*opened.log)->statistics().segments, 1U);
}

TEST(GroupCommitLog, CutsATornTailAtEveryOffset) {
    const TemporaryFolder folder;
    boost::asio::io_context context;
    write_log(folder.path(), context, {"first", "second"});
    const auto path = only_segment(folder.path());
    Bytes before = read_all(path);
    // Without the last seal the file is as a kill leaves it behind the second record.
    const std::size_t seal = used(before);
    const std::size_t record_size = internal::kRecordHeaderSize + 6;
    std::size_t end = internal::kSegmentHeaderSize;
    const auto header = internal::parse_segment_header(before, "x");
    ASSERT_TRUE(header);
    while (
        const auto record = internal::parse_record(BytesView(before).subspan(end), header->salt)) {
        end += record->size;
        if (record->sequence == 2 && record->type != internal::kSealType) {
            break;
        }
    }
    ASSERT_LE(end, seal);
    std::fill(before.begin() + static_cast<std::ptrdiff_t>(end), before.end(), std::uint8_t{0});
    for (std::size_t cut = end - record_size; cut < end; ++cut) {
        Bytes torn = before;
        std::fill(torn.begin() + static_cast<std::ptrdiff_t>(cut), torn.end(), std::uint8_t{0});
        write_all(path, torn);
        auto opened = open_log(folder.path(), context);
        ASSERT_TRUE(opened.log) << cut << ": " << opened.log.error().message();
        EXPECT_EQ(opened.records, std::vector<std::string>{"first"}) << cut;
        EXPECT_EQ((*opened.log)->recovery().bytes_cut,
            used(torn) - std::min(used(torn), end - record_size));
        append_durably(**opened.log, context, "again");
        opened.log->reset();
        auto after = open_log(folder.path(), context);
        ASSERT_TRUE(after.log) << cut << ": " << after.log.error().message();
        EXPECT_EQ(after.records, (std::vector<std::string>{"first", "again"})) << cut;
    }
}

TEST(GroupCommitLog, MakesALastSegmentThatLostItsEndWhole) {
    const TemporaryFolder folder;
    boost::asio::io_context context;
    write_log(folder.path(), context, {"first"});
    const auto path = only_segment(folder.path());
    const auto whole = std::filesystem::file_size(path);
    const std::size_t first_end = used(read_all(path));
    for (const std::uintmax_t size : {whole - 1, std::uintmax_t{first_end}}) {
        std::filesystem::resize_file(path, size);
        auto opened = open_log(folder.path(), context);
        ASSERT_TRUE(opened.log) << opened.log.error().message();
        EXPECT_EQ(opened.records, std::vector<std::string>{"first"});
        EXPECT_THAT((*opened.log)->recovery().cut_at, HasSubstr("offset " + std::to_string(size)));
        EXPECT_EQ(std::filesystem::file_size(path), whole);
    }
    std::filesystem::resize_file(path, internal::kSegmentHeaderSize + 3);
    auto torn = open_log(folder.path(), context);
    ASSERT_TRUE(torn.log) << torn.log.error().message();
    EXPECT_TRUE(torn.records.empty());
    append_durably(**torn.log, context, "again");
    torn.log->reset();
    EXPECT_EQ(open_log(folder.path(), context).records, std::vector<std::string>{"again"});
}

TEST(GroupCommitLog, RefusesASegmentOfAnotherSize) {
    const TemporaryFolder folder;
    boost::asio::io_context context;
    open_log(folder.path(), context).log->reset();
    const auto path = only_segment(folder.path());
    std::filesystem::resize_file(path, std::filesystem::file_size(path) + 1);
    const auto opened = open_log(folder.path(), context);
    ASSERT_FALSE(opened.log);
    EXPECT_EQ(opened.log.error(), make_error_code(StoreError::damaged));
    EXPECT_THAT(opened.log.error().detail(), HasSubstr("00000000000000000001.log"));
}

TEST(GroupCommitLog, RefusesDamageByName) {
    const TemporaryFolder folder;
    boost::asio::io_context context;
    {
        auto opened = open_log(folder.path(), context);
        ASSERT_TRUE(opened.log);
        for (int i = 0; i < 20; ++i) {
            append_durably(**opened.log, context, "record " + std::to_string(i));
        }
    }
    const auto path = only_segment(folder.path());
    const Bytes before = read_all(path);
    const std::size_t last_record = used(before) - 2 * internal::kRecordHeaderSize;
    for (std::size_t at = internal::kSegmentHeaderSize; at < last_record; at += 7) {
        Bytes damaged = before;
        damaged[at] ^= 0x40U;
        write_all(path, damaged);
        const auto opened = open_log(folder.path(), context);
        ASSERT_FALSE(opened.log) << at;
        EXPECT_EQ(opened.log.error(), make_error_code(StoreError::damaged));
        EXPECT_THAT(opened.log.error().detail(), HasSubstr("00000000000000000001.log, offset "));
        EXPECT_EQ(read_all(path), damaged) << "a refused log is left as it is";
    }
}

TEST(GroupCommitLog, RefusesEveryChangedByteOfTheHeader) {
    const TemporaryFolder folder;
    boost::asio::io_context context;
    open_log(folder.path(), context).log->reset();
    const auto path = only_segment(folder.path());
    const Bytes before = read_all(path);
    for (std::size_t at = 0; at < 32; ++at) {
        Bytes damaged = before;
        damaged[at] ^= 1U;
        write_all(path, damaged);
        EXPECT_FALSE(open_log(folder.path(), context).log) << at;
    }
}

TEST(GroupCommitLog, RefusesANewerFormat) {
    const TemporaryFolder folder;
    boost::asio::io_context context;
    open_log(folder.path(), context).log->reset();
    const auto path = only_segment(folder.path());
    Bytes content = read_all(path);
    content[8] = 2;
    write_all(path, content);
    const auto opened = open_log(folder.path(), context);
    ASSERT_FALSE(opened.log);
    EXPECT_EQ(opened.log.error(), make_error_code(StoreError::newer_format));
    EXPECT_THAT(opened.log.error().detail(), HasSubstr("format 2"));
}

TEST(GroupCommitLog, RefusesAMissingSegmentAndAMissingLog) {
    const TemporaryFolder folder;
    boost::asio::io_context context;
    write_log(folder.path(), context, std::vector<std::string>(200, std::string(1000, 'p')));
    auto segments = internal::list_segments(folder.path());
    ASSERT_TRUE(segments);
    ASSERT_GE(segments->size(), 3U);
    fs::remove((*segments)[1].path);
    EXPECT_EQ(open_log(folder.path(), context).log.error(), make_error_code(StoreError::damaged));
    fs::remove((*segments)[0].path);
    EXPECT_EQ(open_log(folder.path(), context).log.error(), make_error_code(StoreError::damaged));
    const TemporaryFolder empty;
    EXPECT_EQ(open_log(empty.path(), context, 5).log.error(), make_error_code(StoreError::damaged));
}

/// A limit on the size of files makes every new segment fail as a full disk does.
class FileSizeLimit {
  public:
    FileSizeLimit() {
        std::signal(SIGXFSZ, SIG_IGN);
        getrlimit(RLIMIT_FSIZE, &before_);
    }
    ~FileSizeLimit() { lift(); }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;
    void set(rlim_t bytes) const {
        const rlimit limit{bytes, before_.rlim_max};
        ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    }
    void lift() const { setrlimit(RLIMIT_FSIZE, &before_); }

  private:
    rlimit before_{};
};

TEST(GroupCommitLog, RefusesOpeningRecordsWhenTheDiskIsFullAndRecovers) {
    const TemporaryFolder folder;
    boost::asio::io_context context;
    std::size_t acknowledged = 0;
    {
        auto opened = open_log(folder.path(), context);
        ASSERT_TRUE(opened.log);
        GroupCommitLog& log = **opened.log;
        const FileSizeLimit limit;
        limit.set(32 * kKiB);
        const std::string payload(500, 'p');
        Error refusal(CommonError::internal);
        while (true) {
            const auto sequence = log.append(1, as_bytes(payload), LogUse::opening);
            if (!sequence) {
                refusal = sequence.error();
                if (refusal == make_error_code(CommonError::disk_full)) {
                    break;
                }
                std::this_thread::yield();
                continue;
            }
            bool ended = false;
            run(context, [&]() -> async::Task<void> {
                const auto done = co_await log.durable(*sequence);
                acknowledged += done ? 1U : 0U;
                ended = !done;
            });
            if (ended) {
                refusal = Error(CommonError::disk_full);
                break;
            }
        }
        EXPECT_EQ(refusal, make_error_code(CommonError::disk_full));
        EXPECT_GT(acknowledged, 0U);
        EXPECT_TRUE(log.statistics().disk_full);
        limit.lift();
        while (log.statistics().disk_full) {
            std::this_thread::yield();
        }
        append_durably(log, context, "after");
    }
    const auto opened = open_log(folder.path(), context);
    ASSERT_TRUE(opened.log) << opened.log.error().message();
    EXPECT_GE(opened.records.size(), acknowledged + 1);
    EXPECT_EQ(opened.records.back(), "after");
}

TEST(GroupCommitLog, LeavesRoomForClosingRecordsWhenSpaceRunsShort) {
    const TemporaryFolder folder;
    boost::asio::io_context context;
    const FileSizeLimit limit;
    // The first segment is made, the second never.
    auto opened = open_log(folder.path(), context);
    ASSERT_TRUE(opened.log);
    GroupCommitLog& log = **opened.log;
    limit.set(1);
    const std::string payload(500, 'p');
    Result<std::uint64_t> refused = 0;
    while (refused || refused.error() != make_error_code(CommonError::disk_full)) {
        refused = log.append(1, as_bytes(payload), LogUse::opening);
        std::this_thread::yield();
    }
    const auto closing = log.append(2, as_bytes("done"), LogUse::closing);
    EXPECT_TRUE(closing) << closing.error().message();
    limit.lift();
}

TEST(GroupCommitLog, TellsWaitersThatItClosed) {
    const TemporaryFolder folder;
    boost::asio::io_context context;
    auto opened = open_log(folder.path(), context);
    ASSERT_TRUE(opened.log);
    GroupCommitLog& log = **opened.log;
    run(context, [&]() -> async::Task<void> {
        log.close();
        EXPECT_EQ((co_await log.durable(1)).error(), make_error_code(StoreError::closed));
        EXPECT_EQ(log.append(1, {}, LogUse::opening).error(), make_error_code(StoreError::closed));
    });
}

TEST(GroupCommitLog, SyncsOnceThreeQuartersOfThoseWhoAreExpectedWait) {
    const TemporaryFolder folder;
    boost::asio::io_context context;
    LogSettings settings = settings_for(folder.path());
    // Nobody waits for its end: the sixth of eight starts the sync.
    settings.gather = std::chrono::hours(1);
    const auto log = GroupCommitLog::open(
        settings, context.get_executor(), 1, [](const LogRecord&) -> Result<void> { return {}; });
    ASSERT_TRUE(log);
    int durable = 0;
    async::TaskGroup group(context.get_executor());
    for (int turns = 0; turns < 6000; turns += 1000) {
        group.spawn([](GroupCommitLog& target, int wait, int& count) -> async::Task<void> {
            // The writer has every opportunity to start too early.
            for (int turn = 0; turn < wait; ++turn) {
                co_await boost::asio::post(boost::asio::use_awaitable);
            }
            const auto sequence = target.append(1, as_bytes("payload"), LogUse::opening);
            if (sequence && co_await target.durable(*sequence, 8)) {
                ++count;
            }
        }(**log, turns, durable));
    }
    context.run();
    EXPECT_EQ(durable, 6);
    EXPECT_EQ((*log)->statistics().syncs, 1U);
}

TEST(GroupCommitLog, StartsTheSyncForThoseWhoWillWaitLater) {
    const TemporaryFolder folder;
    boost::asio::io_context context;
    LogSettings settings = settings_for(folder.path());
    // Nothing else starts it: neither the end of this nor one of a thousand who waits.
    settings.gather = std::chrono::hours(1);
    const auto log = GroupCommitLog::open(
        settings, context.get_executor(), 1, [](const LogRecord&) -> Result<void> { return {}; });
    ASSERT_TRUE(log);
    run(context, [&]() -> async::Task<void> {
        for (int round = 0; round < 3; ++round) {
            const auto sequence = (*log)->append(1, as_bytes("payload"), LogUse::opening);
            (*log)->hasten(sequence.value(), 1);
            EXPECT_TRUE(co_await (*log)->durable(sequence.value(), 1000));
        }
    });
    EXPECT_EQ((*log)->statistics().syncs, 3U);
}

TEST(GroupCommitLog, DoesNotWaitForEverForThoseWhoAreExpected) {
    const TemporaryFolder folder;
    boost::asio::io_context context;
    const auto opened = open_log(folder.path(), context);
    ASSERT_TRUE(opened.log);
    run(context, [&]() -> async::Task<void> {
        const auto sequence = (*opened.log)->append(1, as_bytes("payload"), LogUse::opening);
        EXPECT_TRUE(co_await (*opened.log)->durable(sequence.value(), 1000));
    });
}

/// Appends and waits until it is killed, writing each acknowledged sequence to `pipe`.
[[noreturn]] void append_until_killed(const fs::path& directory, int pipe) {
    boost::asio::io_context context;
    auto opened = open_log(directory, context);
    if (!opened.log) {
        ::_exit(3);
    }
    async::TaskGroup group(context.get_executor());
    for (int i = 0; i < 16; ++i) {
        group.spawn([](GroupCommitLog& log, int out) -> async::Task<void> {
            while (true) {
                const auto sequence = log.append(1, as_bytes("payload"), LogUse::opening);
                if (!sequence && sequence.error() == make_error_code(CommonError::unavailable)) {
                    // These segments are tiny: the next one is still being made.
                    co_await async::delay(std::chrono::milliseconds(1));
                    continue;
                }
                if (!sequence || !co_await log.durable(*sequence)) {
                    ::_exit(4);
                }
                if (::write(out, &*sequence, sizeof(*sequence)) != sizeof(*sequence)) {
                    ::_exit(5);
                }
            }
        }(**opened.log, pipe));
    }
    context.run();
    ::_exit(6);
}

TEST(GroupCommitLog, LosesNothingAcknowledgedWhenKilled) {
    const TemporaryFolder folder;
    std::minstd_rand random(20261121);
    std::uint64_t acknowledged = 0;
    for (int round = 0; round < 20; ++round) {
        int ends[2];
        ASSERT_EQ(::pipe(ends), 0);
        const pid_t child = ::fork();
        if (child == 0) {
            ::close(ends[0]);
            append_until_killed(folder.path(), ends[1]);
        }
        ::close(ends[1]);
        // The moment of the kill is a number of acknowledgements, which no machine's speed changes.
        const std::uint64_t stop_after = random() % 3000;
        std::uint64_t seen = 0;
        std::uint64_t sequence = 0;
        bool killed = false;
        while (::read(ends[0], &sequence, sizeof(sequence)) == sizeof(sequence)) {
            acknowledged = std::max(acknowledged, sequence);
            if (++seen > stop_after && !killed) {
                ::kill(child, SIGKILL);
                killed = true;
            }
        }
        ::close(ends[0]);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << "exit code " << WEXITSTATUS(status);
        boost::asio::io_context context;
        const auto opened = open_log(folder.path(), context);
        ASSERT_TRUE(opened.log) << opened.log.error().message();
        ASSERT_GE((*opened.log)->recovery().last_sequence, acknowledged);
        ASSERT_EQ((*opened.log)->recovery().last_sequence, opened.records.size());
    }
    EXPECT_GT(acknowledged, 20U);
}

}  // namespace
}  // namespace decloud::store
