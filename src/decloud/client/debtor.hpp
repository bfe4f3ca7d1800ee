#pragma once

#include "node_facts.hpp"
#include "promise_book.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/json.hpp>
#include <decloud/crypto/ed25519.hpp>

#include <string>

namespace decloud::client {

/// Asks nodes what this home owes them, and pays it. Nothing is paid twice: a payment says how much
/// was paid before it, the node takes no other, and none is sent while an earlier one that nobody
/// acknowledged may still be taken. Nodes have to prove that they answer for their provider. Single
/// threaded.
class Debtor {
  public:
    /// `key` is the home's OpenCloud id. `client`, `book` and `clock` outlive it.
    Debtor(net::http::Client& client,
        PromiseBook& book,
        const crypto::Secret& seed,
        const Clock& clock)
        : client_(client), book_(book), seed_(seed), clock_(clock) {}

    /// What the node says, signed; kept in the book. Errors: NetError; `remote_error`;
    /// invalid_input for an answer that the node has not signed; the book's.
    [[nodiscard]] async::Task<Result<OwnDebt>> ask(KnownNode node, OwnDebt debt);
    /// Pays all of it by `payer`; the receipt's path. Errors: also ClientError::payment.
    [[nodiscard]] async::Task<Result<std::string>> repay(KnownNode node,
        OwnDebt debt,
        // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
        Payer& payer);

  private:
    [[nodiscard]] static Result<void> check(const KnownNode& node, const OwnDebt& debt);
    struct Told {
        std::string receipt;
        json::Object body;
    };
    [[nodiscard]] async::Task<Result<Told>> post(KnownNode node,
        std::string target,
        // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
        Payer& payer);

    net::http::Client& client_;
    PromiseBook& book_;
    const crypto::Secret& seed_;
    const Clock& clock_;
};

}  // namespace decloud::client
