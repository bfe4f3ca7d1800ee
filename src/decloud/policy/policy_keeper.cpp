#include "policy_keeper.hpp"

#include <decloud/async/offload.hpp>
#include <decloud/async/timeout.hpp>
#include <decloud/base/log.hpp>

#include <sys/stat.h>

#include <utility>

namespace decloud::policy {

namespace {

constexpr auto kLook = std::chrono::seconds(1);

std::int64_t nanoseconds(const timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

PolicyKeeper::PolicyKeeper(std::filesystem::path file)
    : file_(std::move(file)), current_(std::make_shared<const Policy>()), files_{file_} {}

std::vector<PolicyKeeper::Stamp> PolicyKeeper::stamps(
    const std::vector<std::filesystem::path>& files) {
    std::vector<Stamp> out;
    for (const std::filesystem::path& file : files) {
        Stamp stamp;
        stamp.file = file;
        struct stat status{};
        if (::stat(file.c_str(), &status) == 0) {
            stamp.modified = nanoseconds(status.st_mtim);
            stamp.changed = nanoseconds(status.st_ctim);
            stamp.inode = status.st_ino;
            stamp.size = status.st_size;
        }
        out.push_back(std::move(stamp));
    }
    return out;
}

PolicyKeeper::Read PolicyKeeper::read(const std::filesystem::path& file) {
    // What each file was before it was read: a change in between shows the next time.
    Read out{.before = stamps({file}), .files = {file}, .policy = Policy()};
    out.policy = Policy::load(file, [&](const std::filesystem::path& other) {
        out.files.push_back(other);
        out.before.push_back(stamps({other}).front());
    });
    return out;
}

Result<std::unique_ptr<PolicyKeeper>> PolicyKeeper::open(std::filesystem::path file) {
    std::unique_ptr<PolicyKeeper> keeper(new PolicyKeeper(std::move(file)));
    Read first = read(keeper->file_);
    keeper->seen_ = std::move(first.before);
    keeper->files_ = std::move(first.files);
    if (first.policy) {
        const PolicySize size = first.policy->size();
        log::info("policy", "{}: {} rules, {} ids, {} denied contents", keeper->file_.string(),
            size.rules, size.ids, size.contents);
        keeper->current_ = std::make_shared<const Policy>(std::move(*first.policy));
    } else if (first.policy.error() != make_error_code(CommonError::not_found)) {
        return fail(std::move(first.policy.error()));
    }
    return keeper;
}

async::Task<void> PolicyKeeper::refresh(boost::asio::thread_pool& pool) {
    if (stamps(files_) == seen_) {
        co_return;
    }
    // In memory of its own: Asio passes results by way of a default-made one.
    auto read_again = co_await async::offload(
        pool, [file = file_] { return std::make_shared<Read>(read(file)); });
    seen_ = std::move(read_again->before);
    files_ = std::move(read_again->files);
    if (!read_again->policy) {
        log::error("policy", "{}; the policy of before stays in force",
            read_again->policy.error() == make_error_code(CommonError::not_found)
                ? file_.string() + " is gone"
                : read_again->policy.error().message());
        co_return;
    }
    const PolicySize size = read_again->policy->size();
    log::info("policy", "{} is in force: {} rules, {} ids, {} denied contents", file_.string(),
        size.rules, size.ids, size.contents);
    current_ = std::make_shared<const Policy>(std::move(*read_again->policy));
}

async::Task<void> PolicyKeeper::run(boost::asio::thread_pool& pool) {
    for (;;) {
        co_await async::delay(kLook);
        co_await refresh(pool);
    }
}

}  // namespace decloud::policy
