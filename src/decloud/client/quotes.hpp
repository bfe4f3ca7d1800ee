#pragma once

#include "node_facts.hpp"

#include <decloud/async/task.hpp>
#include <decloud/net/http/client.hpp>
#include <decloud/protocol/quote.hpp>

#include <memory>
#include <string>

namespace decloud::client {

/// What a quote is asked for.
struct QuoteWanted {
    std::string service;
    std::string method;
    /// By name; one call, and what the body comes to, are added where the method charges for it.
    protocol::UnitCounts units{};
    std::uint64_t body_bytes = 0;
    /// Signs, so that the quote is for that id; may be null.
    std::shared_ptr<RequestSigner> signer{};
};

/// A quote of a node, and its text, which a request that accepts it carries.
struct SignedQuote {
    protocol::Quote quote;
    std::string text;
};

/// Asks what a call costs. Free. Errors: NetError; ClientError's for a refusal; invalid_input for a
/// quote that the node has not signed or that is of something else.
[[nodiscard]] async::Task<Result<SignedQuote>> ask_quote(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& http,
    KnownNode node,
    QuoteWanted wanted,
    UnixSeconds now);

/// "unit=count". Error: ClientError::usage.
[[nodiscard]] Result<std::pair<std::string, std::uint64_t>> parse_unit(std::string_view text);

}  // namespace decloud::client
