#include "preferences.hpp"

#include <decloud/protocol/structured_fields.hpp>

#include <algorithm>

namespace decloud::gateway::internal {

namespace {

using protocol::Checked;
using protocol::Item;
using protocol::Member;

constexpr std::size_t kMaxNames = 64;

std::unexpected<protocol::Problem> bad(std::string_view what) {
    return protocol::refuse(400, protocol::Status::bad_request,
        std::string(kPreferHeader) + ": " + std::string(what),
        "X-Decloud-Prefer: by=latency, not=(\"bob\"), only=(\"alice\"), max-price=1000");
}

Checked<Preference> read_by(const Member& member) {
    const Item* const item = std::get_if<Item>(&member);
    const auto* const token =
        item == nullptr ? nullptr : std::get_if<protocol::Token>(&item->value);
    if (token != nullptr && token->text == "latency") {
        return Preference::latency;
    }
    if (token != nullptr && token->text == "price") {
        return Preference::price;
    }
    if (token != nullptr && token->text == "reputation") {
        return Preference::reputation;
    }
    return bad("by is latency, price or reputation");
}

Checked<std::vector<std::string>> read_names(const Member& member) {
    const auto* const list = std::get_if<protocol::InnerList>(&member);
    if (list == nullptr || list->items.empty() || list->items.size() > kMaxNames) {
        return bad("only and not are lists of 1 to 64 names");
    }
    std::vector<std::string> out;
    for (const Item& item : list->items) {
        const auto* const text = std::get_if<std::string>(&item.value);
        const auto name = text == nullptr ? fail(CommonError::invalid_input)
                                          : identity::ProviderName::parse(*text);
        if (!name) {
            return bad("a name in quotes is expected");
        }
        out.push_back(name->full());
    }
    return out;
}

Checked<void> read_member(const std::string& key, const Member& member, Preferences& out) {
    if (key == "by") {
        auto by = read_by(member);
        if (!by) {
            return std::unexpected(std::move(by.error()));
        }
        out.by = *by;
        return {};
    }
    if (key == "only" || key == "not") {
        auto names = read_names(member);
        if (!names) {
            return std::unexpected(std::move(names.error()));
        }
        (key == "only" ? out.only : out.never) = std::move(*names);
        return {};
    }
    if (key == "max-price") {
        const Item* const item = std::get_if<Item>(&member);
        const auto* const price =
            item == nullptr ? nullptr : std::get_if<std::int64_t>(&item->value);
        if (price == nullptr || *price < 0) {
            return bad("max-price is a whole number of the smallest unit");
        }
        out.max_price = static_cast<std::uint64_t>(*price);
        return {};
    }
    return bad("there is no preference of that name");
}

}  // namespace

bool Preferences::allow(const Candidate& candidate) const {
    return (only.empty() || std::ranges::find(only, candidate.name) != only.end()) &&
           std::ranges::find(never, candidate.name) == never.end() &&
           (!max_price || candidate.price <= *max_price);
}

Checked<Preferences> read_preferences(const net::http::Headers& headers) {
    Preferences out;
    std::string text;
    for (const std::string_view value : headers.all(kPreferHeader)) {
        text.append(text.empty() ? "" : ", ").append(value);
    }
    if (text.empty()) {
        return out;
    }
    const auto dictionary = protocol::parse_dictionary(text);
    if (!dictionary) {
        return bad(dictionary.error().detail());
    }
    for (const auto& [key, member] : *dictionary) {
        if (auto read = read_member(key, member, out); !read) {
            return std::unexpected(std::move(read.error()));
        }
    }
    return out;
}

}  // namespace decloud::gateway::internal
