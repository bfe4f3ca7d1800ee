#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace decloud::store {

/// Small durable records by key in a SQLite file: what rarely changes (transaction intents,
/// revocations, pins). Every write is on disk when it returns, and blocks for that (about a
/// millisecond). Thread safe.
class RecordStore {
  public:
    /// Opens or creates the file. Errors as `Database::open`.
    [[nodiscard]] static Result<std::unique_ptr<RecordStore>> open(
        const std::filesystem::path& path);
    ~RecordStore();

    /// Replaces what is there. Key of 1 to 512 bytes, value at most 1 MiB (else limit_exceeded).
    [[nodiscard]] Result<void> put(std::string_view key, BytesView value);
    /// Nothing if there is none.
    [[nodiscard]] Result<std::optional<Bytes>> get(std::string_view key) const;
    /// No error if there is none.
    [[nodiscard]] Result<void> remove(std::string_view key);
    /// Everything whose key starts with `prefix`, in byte order of the keys.
    [[nodiscard]] Result<std::vector<std::pair<std::string, Bytes>>> list(
        std::string_view prefix) const;

  private:
    struct State;
    explicit RecordStore(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace decloud::store
