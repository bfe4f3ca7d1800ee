#pragma once

#include "../ethereum.hpp"
#include "../transaction.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace decloud::chain::internal {

/// What the journal holds of one intent.
struct SenderRecord {
    enum class State : std::uint8_t { pending, succeeded, failed };

    std::string intent{};
    State state = State::pending;
    Transaction transaction{};
    /// The newest signed form; what is sent again.
    Bytes raw{};
    /// Of every form ever broadcast, newest last; any of them may be mined.
    std::vector<Bytes32> hashes{};
    // Once it is final:
    Bytes32 mined_hash{};
    std::uint64_t block_number = 0;
    std::uint64_t gas_used = 0;
    std::optional<Address> contract{};
    int error = 0;
    std::string reason{};
};

[[nodiscard]] Bytes to_bytes(const SenderRecord& record);
/// Error: corrupt.
[[nodiscard]] Result<SenderRecord> parse_sender_record(BytesView bytes);

}  // namespace decloud::chain::internal
