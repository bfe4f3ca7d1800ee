#pragma once

#include "../decision.hpp"

#include <boost/container/small_vector.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace decloud::policy::internal {

/// One presented credential; its score is asked for at most once.
struct Asker {
    const Credential* credential = nullptr;
    mutable bool asked = false;
    mutable std::optional<std::uint32_t> score;
};

/// What finding a rule needs of it, so that rules which lose are not touched.
struct Candidate {
    explicit Candidate(const Rule& of);

    const Rule* rule;
    /// A bit for each Command.
    std::uint8_t commands = 0;
    /// Of who; the level of what is added.
    std::uint8_t level = 0;
    /// A `deny` that names who asks.
    bool is_final_deny = false;
    /// There is more to fit than what it was found by.
    bool is_conditional = false;
};

/// Collects the rules that fit a question and makes the decision. Used once.
class Evaluation {
  public:
    Evaluation(const Question& question, Access standard);

    [[nodiscard]] std::span<const Asker> askers() const { return askers_; }
    /// A rule whose services and methods fit: 0 by everything, 1 by service, 2 by method. `asker`
    /// is whose kind or group it was found by.
    void consider(const Candidate& candidate, const Asker* asker, std::uint32_t what_level);
    [[nodiscard]] Decision finish() &&;

  private:
    [[nodiscard]] std::optional<std::uint32_t> score(const Asker& asker) const;
    [[nodiscard]] std::optional<std::uint32_t> best_score() const;
    [[nodiscard]] bool fits(const Rule& rule, const Asker* asker) const;
    [[nodiscard]] bool holds(const When& when) const;
    [[nodiscard]] bool meets(const Require& require) const;
    [[nodiscard]] Amount least_of(const MinPayment& payment) const;
    [[nodiscard]] bool pays_enough(const Rule& rule) const;
    [[nodiscard]] bool may_defer(const Defer& defer) const;
    [[nodiscard]] const Rates& rates_of(const Price& price) const;
    [[nodiscard]] Amount price_at(const Rates& rates) const;
    [[nodiscard]] std::uint32_t below(const Accept& accept) const;
    void quote();
    /// Settles the verdict by the first winner of `command` that does not pass.
    [[nodiscard]] bool refuses(Command command, Verdict verdict, auto passes);
    [[nodiscard]] bool settles_access();

    const Question& question_;
    Access standard_;
    boost::container::small_vector<Asker, 4> askers_;
    std::array<std::uint32_t, kCommands> levels_{};
    Decision decision_;
};

}  // namespace decloud::policy::internal
