#pragma once

#include <decloud/base/result.hpp>

#include <expected>
#include <string>
#include <utility>

namespace decloud::ipfs {

/// Why a request for content is not answered.
struct Refusal {
    int status = 500;
    /// One line for people.
    std::string detail{};
};

/// A value, or why the client does not get it.
template <class T>
using Answered = std::expected<T, Refusal>;

/// `return refuse(404, "no such file")`.
[[nodiscard]] inline std::unexpected<Refusal> refuse(int status, std::string detail) {
    return std::unexpected(Refusal{.status = status, .detail = std::move(detail)});
}

/// What reading content ran into: 404 for what is missing, 451 for what is denied, 422 for blocks
/// that are not what they should be, 500 for the store's own faults.
[[nodiscard]] Refusal refusal_from(const Error& error);

}  // namespace decloud::ipfs
