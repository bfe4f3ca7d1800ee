#pragma once

#include "service_description.hpp"

#include <decloud/base/clock.hpp>
#include <decloud/crypto/ed25519.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace decloud::protocol {

/// A longer quote is not read.
inline constexpr std::size_t kMaxQuoteBytes = 4096;

/// What a node promises: until it expires a call of the method costs no more than this
/// (docs/opencloud.md §7).
struct Quote {
    /// Tells quotes apart, for people.
    std::string id;
    std::string service;
    std::string method;
    /// The most that one call may count. A unit that is not there costs nothing and has no bound.
    UnitCounts units{};
    PriceModel price{};
    /// `price` of all of `units`.
    Amount amount{};
    UnixSeconds issued{};
    UnixSeconds expires{};
    /// The node's audience.
    std::string provider;
    /// The only did:key that may name it; empty: anybody.
    std::string bound_to{};
};

/// The members that docs/opencloud.md §7 lists, with the node's did:key and its signature. Error:
/// invalid_input for text that is not UTF-8.
[[nodiscard]] Result<json::Object> sign_quote(
    const Quote& quote, const crypto::Ed25519PrivateKey& key);

/// From that text, if `key` has signed it. Errors: invalid_input, limit_exceeded.
[[nodiscard]] Result<Quote> parse_quote(std::string_view text, const crypto::Ed25519PublicKey& key);

/// `OpenCloud-Quote`: a quote's text as a byte sequence.
[[nodiscard]] std::string format_quote_header(std::string_view text);
/// The text in that field. Errors: invalid_input, limit_exceeded.
[[nodiscard]] Result<std::string> parse_quote_header(std::string_view field);

/// What a call that counts `units` costs by a quote. Errors: limit_exceeded naming the unit that
/// is more than it is of.
[[nodiscard]] Result<Amount> price_by(const Quote& quote, const UnitCounts& units);

}  // namespace decloud::protocol
