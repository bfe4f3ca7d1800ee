#pragma once

#include "decision.hpp"
#include "rule.hpp"

#include <decloud/base/json.hpp>
#include <decloud/base/result.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::policy {

/// Content that somebody asks for.
struct Content {
    /// In any spelling; what is not a cid is none.
    std::string_view cid{};
    std::optional<Address> owner{};
    std::string_view name{};
};

/// How much a policy holds.
struct PolicySize {
    std::size_t rules = 0;
    std::size_t ids = 0;
    std::size_t contents = 0;
};

/// Reads a file that a policy names: its name as written there, and the most bytes.
using ReadFile = std::function<Result<std::string>(const std::string& name, std::uint64_t most)>;

/// Who may do what, at what price: the parsed and indexed `policy.toml`. Never changes; may be
/// asked from several threads.
///
/// Precedence, in full. (1) Denied content is denied whoever asks. (2) A `deny` that names who asks
/// (id, group, kind, reputation) wins over every `allow` if one presented credential fits. (3) Else
/// the closest `allow` or `deny` wins, a `deny` among equally close ones, the file's default if
/// there is none. (4) Every other command is decided by the closest rules that carry it; equally
/// close ones hold all of them. Closer is who before what: id or group over kind over reputation
/// over anybody; then method over service over everything.
class Policy {
  public:
    /// Everything is allowed.
    Policy();
    ~Policy();
    Policy(Policy&&) noexcept;
    Policy& operator=(Policy&&) noexcept;

    /// `source` names the text in errors. Errors: invalid_input and limit_exceeded with file and
    /// line; `read_file`'s.
    [[nodiscard]] static Result<Policy> parse(
        std::string_view text, std::string_view source, const ReadFile& read_file);
    /// A file, and those that it names beside itself. Errors: also not_found, io.
    /// `names` is told of each of the latter before it is read.
    [[nodiscard]] static Result<Policy> load(const std::filesystem::path& file,
        const std::function<void(const std::filesystem::path&)>& names = {});

    [[nodiscard]] Decision decide(const Question& question) const;
    /// The rule that denies that content; null if none does.
    [[nodiscard]] const Rule* barring(const Content& content) const;
    /// The rule's who fits this credential (not looking at the other scopes).
    [[nodiscard]] bool fits(
        const Rule& rule, const Credential& credential, const Question& question) const;

    /// True if a rule or group is about this id, in the spelling of `normalise_id`.
    [[nodiscard]] bool names(std::string_view id) const;

    [[nodiscard]] Access standard() const;
    [[nodiscard]] const std::vector<Rule>& rules() const;
    [[nodiscard]] PolicySize size() const;
    /// True if a rule requires something that only a `FactsView` tells.
    [[nodiscard]] bool requires_facts() const;

  private:
    struct Index;
    explicit Policy(std::unique_ptr<Index> index);
    std::unique_ptr<Index> index_;
};

/// For the caller: why not, without the names that the operator gave the rules.
[[nodiscard]] std::string tell_caller(const Decision& decision, const Question& question);
/// For the operator, one sentence: what was decided, by which rule, and why.
[[nodiscard]] std::string describe(const Decision& decision, const Question& question);
/// The same with every rule that had a say and the values it gives, for `policy explain`.
[[nodiscard]] json::Object explain(const Decision& decision, const Question& question);

}  // namespace decloud::policy
