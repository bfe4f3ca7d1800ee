#include "names.hpp"

#include <decloud/crypto/hash.hpp>

#include <algorithm>
#include <array>

namespace decloud::identity {

namespace {

constexpr std::size_t kMaxLabel = 63;
constexpr std::size_t kMaxName = 253;
constexpr std::array<std::string_view, 7> kReserved{"app", "fn", "p", "ipfs", "ipns", "www", "api"};

std::unexpected<Error> refuse(std::string_view name, std::string_view why) {
    return fail(IdentityError::invalid_name, "\"" + std::string(name) + "\": " + std::string(why));
}

Result<void> check_label(std::string_view name, std::string_view label) {
    if (label.empty()) {
        return refuse(name, "a label is empty");
    }
    if (label.size() > kMaxLabel) {
        return refuse(name, "a label has over 63 characters");
    }
    if (label.front() == '-' || label.back() == '-') {
        return refuse(name, "a label begins or ends with a hyphen");
    }
    const bool good = std::ranges::all_of(
        label, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
    if (!good) {
        return refuse(name, "only letters, digits and hyphens are allowed");
    }
    if (label.starts_with("xn-")) {
        return fail(IdentityError::reserved_name, "\"" + std::string(name) + "\": xn- is reserved");
    }
    return {};
}

std::string inline_name(std::string_view name) {
    std::string out;
    for (const char c : name) {
        if (c == '-') {
            out += "--";
        } else {
            out += c == '.' ? '-' : c;
        }
    }
    return out;
}

// The full name's part under the top name, if it is one label.
std::string_view short_part(std::string_view full) {
    const std::string_view label = full.substr(0, full.find('.'));
    return full.substr(std::min(full.size(), label.size() + 1)) == kTopName ? label : full;
}

std::string_view last_label(std::string_view name) { return name.substr(name.rfind('.') + 1); }

}  // namespace

Bytes32 namehash(std::string_view name) {
    Bytes32 node;
    while (!name.empty()) {
        const std::string_view label = last_label(name);
        Bytes joined = to_bytes(node.view());
        append(joined, crypto::keccak256(label).view());
        node = crypto::keccak256(joined);
        name.remove_suffix(std::min(name.size(), label.size() + 1));
    }
    return node;
}

bool is_reserved_label(std::string_view label) {
    return std::ranges::find(kReserved, label) != kReserved.end();
}

Result<ProviderName> ProviderName::parse(std::string_view text) {
    if (text.empty() || text.size() > kMaxName) {
        return refuse(text.substr(0, kMaxName), "a name has 1 to 253 characters");
    }
    std::string full(text);
    std::ranges::transform(full, full.begin(),
        [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (!full.contains('.')) {
        full += '.';
        full += kTopName;
    }
    for (std::string_view rest = full;;) {
        const std::size_t dot = rest.find('.');
        TRY_VOID(check_label(text, rest.substr(0, dot)));
        if (dot == std::string_view::npos) {
            break;
        }
        rest.remove_prefix(dot + 1);
    }
    const std::string_view name = full;
    if (last_label(name) == kTopName) {
        const std::string_view under = name.substr(0, name.size() - kTopName.size() - 1);
        if (is_reserved_label(last_label(under))) {
            return fail(IdentityError::reserved_name,
                "\"" + std::string(text) + "\": gateways use this label themselves");
        }
    }
    if (inline_name(short_part(full)).size() > kMaxLabel) {
        return refuse(text, "it has over 63 characters as one label (a hyphen counts twice)");
    }
    return ProviderName(std::move(full));
}

Result<ProviderName> ProviderName::from_gateway_label(std::string_view label) {
    if (label.size() > kMaxLabel) {
        return refuse(label.substr(0, kMaxLabel), "a label has over 63 characters");
    }
    std::string name;
    for (std::size_t i = 0; i < label.size(); ++i) {
        if (label[i] != '-') {
            if (label[i] == '.') {
                return refuse(label, "a gateway's label has no dot");
            }
            name += label[i];
        } else if (i + 1 < label.size() && label[i + 1] == '-') {
            name += '-';
            ++i;
        } else {
            name += '.';
        }
    }
    return parse(name);
}

std::string ProviderName::short_form() const { return std::string(short_part(full_)); }

std::string ProviderName::gateway_label() const { return inline_name(short_part(full_)); }

}  // namespace decloud::identity
