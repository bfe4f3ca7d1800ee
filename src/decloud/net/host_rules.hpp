#pragma once

#include <decloud/base/result.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::net {

/// Which hosts a rule names.
enum class HostMatch : std::uint8_t {
    /// One name.
    exact,
    /// All names below one, at any depth, not the name itself: "*.example.com".
    below,
    /// Every name: "*".
    any,
};

/// Names of hosts, and the port or ports at which they may be reached.
struct HostRule {
    HostMatch match = HostMatch::exact;
    /// Lower case; empty for `any`.
    std::string name;
    /// Nothing: 80 and 443.
    std::optional<std::uint16_t> port;

    /// As `parse_host_rule` reads it.
    [[nodiscard]] std::string to_string() const;
    /// `host` is a name in lower case.
    [[nodiscard]] bool allows(std::string_view host, std::uint16_t port) const;
    friend bool operator==(const HostRule&, const HostRule&) = default;
};

/// "api.example.com", "*.example.com" or "*", each with or without a ":PORT". Names only: neither
/// addresses nor names outside of ASCII (those are written with "xn--"). Error: invalid_input.
[[nodiscard]] Result<HostRule> parse_host_rule(std::string_view text);

/// True for a DNS name in lower case that no resolver takes for an address: its last label begins
/// with a letter.
[[nodiscard]] bool is_host_name(std::string_view text);

/// The hosts that may be asked; without a rule none.
using HostRules = std::vector<HostRule>;

/// Of one list; who reads one refuses more.
inline constexpr std::size_t kMaxHostRules = 64;

/// At most `kMaxHostRules` of them. Error: invalid_input, names the one that is wrong.
[[nodiscard]] Result<HostRules> parse_host_rules(const std::vector<std::string>& texts);
/// As `parse_host_rules` reads them.
[[nodiscard]] std::vector<std::string> to_texts(const HostRules& rules);

/// True if one of the rules allows it. Never for an address, whatever the rules say.
[[nodiscard]] bool allows(const HostRules& rules, std::string_view host, std::uint16_t port);
/// The first of `wanted` that is not wholly allowed by `rules`.
[[nodiscard]] std::optional<HostRule> first_beyond(const HostRules& wanted, const HostRules& rules);

}  // namespace decloud::net
