#pragma once

#include <decloud/base/result.hpp>

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <utility>

namespace decloud::ipfs {

/// Why a request for content is not answered.
struct Refusal {
    int status = 500;
    /// One line for people.
    std::string detail{};
    /// When to ask again, if it may be better then.
    std::optional<std::chrono::seconds> retry_after{};
    /// The domain that DNS has to be asked for before there is an answer; else empty.
    std::string unknown_domain{};
};

/// A value, or why the client does not get it.
template <class T>
using Answered = std::expected<T, Refusal>;

/// `return refuse(404, "no such file")`.
[[nodiscard]] inline std::unexpected<Refusal> refuse(int status, std::string detail) {
    return std::unexpected(Refusal{.status = status, .detail = std::move(detail)});
}

/// What reading content ran into: 404 for what is missing, 451 for what is denied, 422 for blocks
/// that are not what they should be, 503 where the store's engine is away, 500 for its
/// own faults.
[[nodiscard]] Refusal refusal_from(const Error& error);

}  // namespace decloud::ipfs
