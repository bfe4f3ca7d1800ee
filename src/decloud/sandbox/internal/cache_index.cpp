#include "cache_index.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace decloud::sandbox::internal {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kStatBlock = 512;

struct Found {
    timespec modified{};
    fs::path path;
    std::uint64_t bytes = 0;
};

bool older(const Found& a, const Found& b) {
    return std::tie(a.modified.tv_sec, a.modified.tv_nsec, a.path) <
           std::tie(b.modified.tv_sec, b.modified.tv_nsec, b.path);
}

}  // namespace

std::uint64_t disk_bytes(const fs::path& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) {
        return 0;
    }
    auto sum = static_cast<std::uint64_t>(status.st_blocks) * kStatBlock;
    if (S_ISDIR(status.st_mode)) {
        std::error_code ignored;
        for (const auto& inside : fs::directory_iterator(path, ignored)) {
            sum += disk_bytes(inside.path());
        }
    }
    return sum;
}

void touch(const fs::path& path) {
    ::utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
}

void remove_tree(const fs::path& folder) {
    std::error_code ignored;
    ::chmod(folder.c_str(), 0700);
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
        if (entry.is_directory(ignored) && !entry.is_symlink(ignored)) {
            remove_tree(entry.path());
        }
    }
    fs::remove_all(folder, ignored);
}

void CacheIndex::scan(const fs::path& folder) {
    std::vector<Found> found;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with('.') || name.ends_with(".new")) {
            remove_tree(entry.path());
            continue;
        }
        struct stat status{};
        if (::lstat(entry.path().c_str(), &status) == 0) {
            found.push_back({.modified = status.st_mtim,
                .path = entry.path(),
                .bytes = disk_bytes(entry.path())});
        }
    }
    std::ranges::sort(found, older);
    for (const Found& item : found) {
        const std::string name = item.path.filename().string();
        static_cast<void>(use(name));
        set_bytes(name, item.bytes);
    }
}

CacheIndex::Entry& CacheIndex::entry(const std::string& name) {
    Entry& found = entries_[name];
    if (!found.token) {
        found.token = std::make_shared<const char>();
    }
    return found;
}

CacheUse CacheIndex::use(const std::string& name) {
    Entry& used = entry(name);
    used.last_use = ++uses_;
    return used.token;
}

void CacheIndex::set_bytes(const std::string& name, std::uint64_t bytes) {
    Entry& sized = entry(name);
    bytes_ += bytes - sized.bytes;
    sized.bytes = bytes;
}

void CacheIndex::forget(const std::string& name) {
    const auto found = entries_.find(name);
    if (found != entries_.end()) {
        bytes_ -= found->second.bytes;
        entries_.erase(found);
    }
}

std::vector<std::string> CacheIndex::evict() {
    std::vector<std::pair<std::uint64_t, std::string>> unused;
    if (is_full()) {
        for (const auto& [name, entry] : entries_) {
            if (entry.token.use_count() == 1) {
                unused.emplace_back(entry.last_use, name);
            }
        }
    }
    std::ranges::sort(unused);
    std::vector<std::string> evicted;
    for (auto& [last_use, name] : unused) {
        if (!is_full()) {
            break;
        }
        forget(name);
        evicted.push_back(std::move(name));
    }
    return evicted;
}

void make_room(CacheIndex& index,
    const std::function<void(const std::string&)>& remove,
    const std::function<bool()>& release_unused) {
    for (;;) {
        for (const std::string& name : index.evict()) {
            remove(name);
        }
        if (!index.is_full() || !release_unused || !release_unused()) {
            return;
        }
    }
}

}  // namespace decloud::sandbox::internal
