#include "policy.hpp"

#include "id.hpp"
#include "internal/evaluate.hpp"
#include "internal/policy_file.hpp"

#include <decloud/store/atomic_file.hpp>

#include <boost/unordered/unordered_flat_map.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

namespace decloud::policy {

namespace {

constexpr std::size_t kMostGroupsOfId = 64;

struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
        return std::hash<std::string_view>{}(text);
    }
};

using Numbers = boost::unordered_flat_map<std::string, std::uint32_t, TextHash, std::equal_to<>>;
using IdNumbers = boost::unordered_flat_map<std::string_view, std::uint32_t, TextHash>;

/// 0 is "no such thing": nothing is looked up for it.
std::uint32_t find(const Numbers& numbers, std::string_view text) {
    const auto found = numbers.find(text);
    return found == numbers.end() ? 0 : found->second;
}

std::uint32_t intern(Numbers& numbers, std::string text) {
    return numbers.try_emplace(std::move(text), static_cast<std::uint32_t>(numbers.size() + 1))
        .first->second;
}

std::string method_key(std::string_view service, std::string_view method) {
    std::string out;
    out.reserve(service.size() + 1 + method.size());
    out.append(service).append("/").append(method);
    return out;
}

}  // namespace

/// Rules are found by who (anybody, a kind, a group) and what (everything, a service, a method).
struct Policy::Index {
    internal::PolicyText text;
    Numbers whats;
    Numbers kinds;
    /// An id's set of groups.
    IdNumbers ids;
    std::vector<std::vector<std::uint32_t>> sets;
    boost::unordered_flat_map<std::uint64_t, std::vector<internal::Candidate>> rules;
    Numbers barred_cids;
    Numbers barred_owners;
    Numbers barred_names;
    bool requires_facts = false;

    // Who: 0 anybody, 2k + 1 a kind, 2g + 2 a group.
    static std::uint64_t key(std::uint32_t who, std::uint32_t what) {
        return (std::uint64_t{who} << 32U) | what;
    }
    static std::uint32_t who_of_kind(std::uint32_t kind) { return 2 * kind + 1; }
    static std::uint32_t who_of_group(std::uint32_t group) { return 2 * group + 2; }

    [[nodiscard]] std::span<const std::uint32_t> groups_of(std::string_view id) const {
        const auto found = ids.find(id);
        return found == ids.end() ? std::span<const std::uint32_t>() : sets[found->second];
    }

    Result<void> add_ids();
    void add_rule(const Rule& rule);
    void add_barred();
};

Result<void> Policy::Index::add_ids() {
    std::size_t count = 0;
    for (const internal::Texts& group : text.groups) {
        count += group.texts.size();
    }
    ids.reserve(count);
    sets.emplace_back();
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> with;
    for (std::uint32_t group = 0; group < text.groups.size(); ++group) {
        for (const std::string_view id : text.groups[group].texts) {
            std::uint32_t& set = ids.try_emplace(id, 0).first->second;
            if (!sets[set].empty() && sets[set].back() == group) {
                continue;
            }
            if (sets[set].size() == kMostGroupsOfId) {
                return fail(CommonError::limit_exceeded,
                    fmt::format("{} is in more than {} lists of ids", id, kMostGroupsOfId));
            }
            const auto [known, is_new] =
                with.try_emplace({set, group}, static_cast<std::uint32_t>(sets.size()));
            if (is_new) {
                std::vector<std::uint32_t> longer = sets[set];
                longer.push_back(group);
                sets.push_back(std::move(longer));
            }
            set = known->second;
        }
        text.groups[group].texts = {};
    }
    return {};
}

void Policy::Index::add_rule(const Rule& rule) {
    if (rule.bars_content) {
        return;
    }
    std::uint32_t who = 0;
    if (rule.group) {
        who = who_of_group(*rule.group);
    } else if (!rule.kind.empty()) {
        who = who_of_kind(intern(kinds, rule.kind));
    }
    if (rule.services.empty()) {
        rules[key(who, 0)].emplace_back(rule);
    }
    for (const std::string& service : rule.services) {
        if (rule.methods.empty()) {
            rules[key(who, intern(whats, service))].emplace_back(rule);
        }
        for (const std::string& method : rule.methods) {
            rules[key(who, intern(whats, method_key(service, method)))].emplace_back(rule);
        }
    }
}

void Policy::Index::add_barred() {
    for (internal::BarredContent& barred : text.barred) {
        for (std::string& cid : barred.cids) {
            barred_cids.try_emplace(std::move(cid), barred.rule);
        }
        for (std::string& owner : barred.owners) {
            barred_owners.try_emplace(std::move(owner), barred.rule);
        }
        for (std::string& name : barred.names) {
            barred_names.try_emplace(std::move(name), barred.rule);
        }
    }
    text.barred = {};
}

Policy::Policy() : Policy(std::make_unique<Index>()) {}
Policy::Policy(std::unique_ptr<Index> index) : index_(std::move(index)) {}
Policy::~Policy() = default;
Policy::Policy(Policy&&) noexcept = default;
Policy& Policy::operator=(Policy&&) noexcept = default;

Result<Policy> Policy::parse(
    std::string_view text, std::string_view source, const ReadFile& read_file) {
    auto index = std::make_unique<Index>();
    TRY(index->text, internal::parse_policy_text(text, source, read_file));
    TRY_VOID(index->add_ids());
    for (const Rule& rule : index->text.rules) {
        index->add_rule(rule);
        const auto& required = rule.require;
        index->requires_facts =
            index->requires_facts ||
            (required && (required->balance || required->age || required->fees));
    }
    index->add_barred();
    return Policy(std::move(index));
}

Result<Policy> Policy::load(const std::filesystem::path& file,
    const std::function<void(const std::filesystem::path&)>& names) {
    constexpr std::uint64_t kMost = 64 * kMiB;
    TRY(const Bytes text, store::read_file(file, kMost));
    return parse(as_text(text), file.string(),
        [&](const std::string& name, std::uint64_t most) -> Result<std::string> {
            const std::filesystem::path other = file.parent_path() / name;
            if (names) {
                names(other);
            }
            TRY(const Bytes bytes, store::read_file(other, most));
            return std::string(as_text(bytes));
        });
}

Decision Policy::decide(const Question& question) const {
    const Index& index = *index_;
    internal::Evaluation evaluation(question, index.text.standard);
    const std::array<std::uint32_t, 3> whats{0, find(index.whats, question.service),
        index.whats.empty() ? 0 : find(index.whats, method_key(question.service, question.method))};
    const auto look_up = [&](std::uint32_t who, const internal::Asker* asker) {
        for (std::size_t level = 0; level < whats.size(); ++level) {
            if (level > 0 && whats[level] == 0) {
                continue;
            }
            const auto found = index.rules.find(Index::key(who, whats[level]));
            if (found == index.rules.end()) {
                continue;
            }
            for (const internal::Candidate& candidate : found->second) {
                evaluation.consider(candidate, asker, static_cast<std::uint32_t>(level));
            }
        }
    };
    look_up(0, nullptr);
    for (const internal::Asker& asker : evaluation.askers()) {
        if (const std::uint32_t kind = find(index.kinds, asker.credential->kind); kind != 0) {
            look_up(Index::who_of_kind(kind), &asker);
        }
        for (const std::uint32_t group : index.groups_of(asker.credential->id)) {
            look_up(Index::who_of_group(group), &asker);
        }
    }
    return std::move(evaluation).finish();
}

const Rule* Policy::barring(const Content& content) const {
    const Index& index = *index_;
    const auto look_up = [&](const auto& barred, std::string_view text) -> const Rule* {
        const auto found = barred.find(text);
        return found == barred.end() ? nullptr : &index.text.rules[found->second];
    };
    if (!index.barred_cids.empty() && !content.cid.empty()) {
        if (const auto key = content_key(content.cid)) {
            if (const Rule* rule = look_up(index.barred_cids, *key)) {
                return rule;
            }
        }
    }
    if (!index.barred_owners.empty() && content.owner) {
        if (const Rule* rule = look_up(index.barred_owners, to_string(*content.owner))) {
            return rule;
        }
    }
    if (!index.barred_names.empty() && !content.name.empty()) {
        if (const auto name = normalise_name(content.name)) {
            return look_up(index.barred_names, *name);
        }
    }
    return nullptr;
}

bool Policy::fits(const Rule& rule, const Credential& credential, const Question& question) const {
    if (!rule.kind.empty() && rule.kind != credential.kind) {
        return false;
    }
    if (rule.group && std::ranges::find(index_->groups_of(credential.id), *rule.group) ==
                          index_->groups_of(credential.id).end()) {
        return false;
    }
    return !rule.band || (question.reputation != nullptr &&
                             rule.band->holds(question.reputation->score(credential.id)));
}

Access Policy::standard() const { return index_->text.standard; }
const std::vector<Rule>& Policy::rules() const { return index_->text.rules; }

bool Policy::requires_facts() const { return index_->requires_facts; }

bool Policy::names(std::string_view id) const { return index_->ids.contains(id); }

PolicySize Policy::size() const {
    return {.rules = index_->text.rules.size(),
        .ids = index_->ids.size(),
        .contents = index_->barred_cids.size() + index_->barred_owners.size() +
                    index_->barred_names.size()};
}

}  // namespace decloud::policy
