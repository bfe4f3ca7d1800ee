#pragma once

#include "rule.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/protocol/payment_method.hpp>

#include <boost/container/small_vector.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::policy {

/// A verified credential of a request, in the spelling of `normalise_id`.
using protocol::Credential;

/// What is known of one credential beyond its proof. What is not there nobody could tell.
struct Facts {
    std::optional<Money> balance;
    std::optional<std::chrono::seconds> age;
    std::optional<Money> fees;
};

/// Who can tell facts. Single threaded.
class FactsView {
  public:
    virtual ~FactsView() = default;
    /// What is known at once.
    [[nodiscard]] virtual Facts facts(const Credential& credential) const = 0;
    /// Finds out what can be found out about these, so that `facts` knows it; within seconds.
    [[nodiscard]] virtual async::Task<void> learn(std::vector<Credential> /*credentials*/) {
        co_return;
    }
};

/// What is asked of a policy. Everything in it outlives the decision.
struct Question {
    std::string_view service;
    std::string_view method;
    std::span<const Credential> credentials{};
    /// How the caller wants to pay.
    protocol::PaymentHeader::Type payment = protocol::PaymentHeader::Type::none;
    /// What the request pays, or promises to: as in the file, so "USDC" for the node's token.
    std::string_view currency{};
    /// None: not known, so that amounts decide nothing.
    std::optional<Amount> amount{};
    /// What the service itself asks in `currency`.
    std::optional<Amount> service_price{};
    /// The price was promised before (a quote): neither it nor what is offered is decided again.
    bool is_quoted = false;
    /// Of a promise.
    std::optional<UnixSeconds> due{};
    /// Of the method; a service that counts none has one unit a call.
    std::uint64_t units = 1;
    /// Of every unit of the service; null: one call.
    const protocol::UnitCounts* work = nullptr;
    UnixSeconds time{};
    /// Percent of this machine's processors.
    std::uint32_t load = 0;
    /// Null: nobody tells.
    const protocol::ReputationView* reputation = nullptr;
    const FactsView* facts = nullptr;
};

/// What the question counts of `unit`; of the method's own if that is empty.
[[nodiscard]] std::uint64_t units_of(const Question& question, std::string_view unit);

/// What becomes of a request.
enum class Verdict : std::uint8_t {
    allowed,
    denied,         ///< 403
    unmet,          ///< 403, a requirement
    too_much_work,  ///< 403
    no_defer,       ///< 402
    too_low,        ///< 402
};

/// "allowed", "denied", …
[[nodiscard]] std::string_view to_string(Verdict verdict);

/// The rules that decide one command: equally close to the question, so that all of them hold.
using Winners = boost::container::small_vector<const Rule*, 2>;

/// What a policy says to a question. Lives as long as the policy.
struct Decision {
    Verdict verdict = Verdict::allowed;
    /// The command and the rule that settled the verdict; no rule: the file's default.
    Command command = Command::access;
    const Rule* rule = nullptr;
    /// By Command.
    std::array<Winners, kCommands> winners;
    /// What the policy quotes in the question's currency; none if it has no price there.
    std::optional<Amount> quote;
    /// What `quote` comes from; null if there is none.
    const Rates* rates = nullptr;
    /// The highest min-payment in the question's currency; zero if there is none.
    Amount least_payment;
    /// The least bid that is taken in it; none if nothing says what the call costs.
    std::optional<Amount> least_bid;

    [[nodiscard]] const Winners& of(Command which) const {
        return winners[static_cast<std::size_t>(which)];
    }
};

}  // namespace decloud::policy
