#pragma once

#include <decloud/base/result.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace decloud::sandbox::internal {

/// Something in the cache that is in use: it stays on disk for as long as a copy of this lives.
using CacheUse = std::shared_ptr<const void>;

/// Which entries of a cache on disk there are, how large they are and when they were last asked
/// for; and which ones have to go to keep the cache within its limit. Only bookkeeping: the files
/// are its owner's. Not thread safe.
class CacheIndex {
  public:
    explicit CacheIndex(std::uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

    /// Takes up what is in `folder`, the last used last (by modification time, which `touch` sets).
    /// `.…` entries and `*.new` are leftovers of a crash and are removed.
    void scan(const std::filesystem::path& folder);

    /// From now on in use, and the most recently used. An entry that is not known is new and empty.
    [[nodiscard]] CacheUse use(const std::string& name);
    void set_bytes(const std::string& name, std::uint64_t bytes);
    void forget(const std::string& name);

    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
    [[nodiscard]] bool is_full() const { return bytes_ > limit_bytes_; }
    /// Takes the longest unused entries out of the index until the rest is within the limit or in
    /// use, and returns their names.
    [[nodiscard]] std::vector<std::string> evict();

  private:
    struct Entry {
        std::uint64_t bytes = 0;
        std::uint64_t last_use = 0;
        std::shared_ptr<const void> token;
    };
    Entry& entry(const std::string& name);

    std::uint64_t limit_bytes_;
    std::uint64_t bytes_ = 0;
    std::uint64_t uses_ = 0;
    std::map<std::string, Entry> entries_;
};

/// Evicts with `remove`; while that is not enough, has `release_unused` let go of something that
/// keeps an entry in use, until it returns false.
void make_room(CacheIndex& index,
    const std::function<void(const std::string&)>& remove,
    const std::function<bool()>& release_unused);

/// Space on disk of a file or of everything in a folder.
[[nodiscard]] std::uint64_t disk_bytes(const std::filesystem::path& path);

/// Makes `path` the last used for a later `scan`.
void touch(const std::filesystem::path& path);

/// Removes a tree whose folders may be read-only.
void remove_tree(const std::filesystem::path& folder);

}  // namespace decloud::sandbox::internal
