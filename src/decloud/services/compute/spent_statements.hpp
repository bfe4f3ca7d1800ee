#pragma once

#include <decloud/base/clock.hpp>
#include <decloud/base/result.hpp>
#include <decloud/store/record_store.hpp>

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace decloud::services {

/// What `SpentStatements::use` found.
enum class StatementUse : std::uint8_t {
    first,
    /// Used already.
    again,
    /// Not used: its payer has too many that have not expired.
    too_many,
};

/// Which signed statements have been used, until they expire; durable. Thread safe.
class SpentStatements {
  public:
    /// `prefix` is its own in `records`. Both outlive this.
    SpentStatements(store::RecordStore& records, std::string prefix, const Clock& clock);

    /// Statements of one payer that have not expired; it may take half a minute more until those
    /// that have no longer count.
    static constexpr std::size_t kMostPerPayer = 64;

    /// Uses a statement of a payer, whose name has no ':'. Errors: the store's. Blocks.
    [[nodiscard]] Result<StatementUse> use(
        const std::string& payer, const std::string& statement, UnixSeconds expires);

  private:
    /// Brings `live_` to what is in the records and has not expired; seldom, as it reads all.
    [[nodiscard]] Result<void> sweep();

    store::RecordStore& records_;
    std::string prefix_;
    const Clock& clock_;
    std::mutex mutex_;
    /// How many of each payer.
    std::unordered_map<std::string, std::size_t> live_;
    std::optional<std::uint64_t> swept_;
};

}  // namespace decloud::services
