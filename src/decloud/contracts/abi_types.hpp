#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Types that the generated encoders use beside those of base/evm_types.hpp.
namespace decloud::contracts {

/// The first four bytes of a call's or an error's encoding: which function or error it is.
using Selector = FixedBytes<4, struct SelectorTag>;

/// bytesN for the widths that have no type of their own.
template <std::size_t Size>
using AbiBytes = FixedBytes<Size, struct AbiBytesTag>;

/// One entry of a transaction's log, as JSON-RPC gives it. Views live as long as what they were
/// made of.
struct EventLog {
    std::span<const Bytes32> topics{};
    BytesView data{};
};

}  // namespace decloud::contracts
