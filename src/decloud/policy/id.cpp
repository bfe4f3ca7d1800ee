#include "id.hpp"

#include <decloud/multiformats/cid.hpp>

#include <algorithm>
#include <span>

namespace decloud::policy {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
bool is_hex(char c) { return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f'); }
bool is_base58(char c) {
    return (is_digit(c) && c != '0') || (is_letter(c) && c != 'I' && c != 'O' && c != 'l');
}

bool all_of(std::string_view text, bool (*test)(char)) { return std::ranges::all_of(text, test); }

/// "eip155:1:0x…" without what is before the address.
std::string_view without_chain(std::string_view text) {
    constexpr std::string_view kPrefix = "eip155:";
    if (!text.starts_with(kPrefix)) {
        return text;
    }
    const std::size_t colon = text.find(':', kPrefix.size());
    const std::string_view chain = text.substr(kPrefix.size(), colon - kPrefix.size());
    const bool good = colon != std::string_view::npos && !chain.empty() && all_of(chain, is_digit);
    return good ? text.substr(colon + 1) : text;
}

bool is_ethereum(std::string_view text) {
    return text.size() == 42 && text.starts_with("0x") && all_of(text.substr(2), is_hex);
}

bool is_bech32(std::string_view text) {
    const std::size_t separator = text.rfind('1');
    if (separator == std::string_view::npos || text.size() < 14 || text.size() > 90) {
        return false;
    }
    const std::string_view prefix = text.substr(0, separator);
    return (prefix == "bc" || prefix == "tb" || prefix == "bcrt") &&
           all_of(text.substr(separator + 1), [](char c) {
               return is_digit(c) || (is_letter(c) && c != 'b' && c != 'i' && c != 'o');
           });
}

bool is_legacy_bitcoin(std::string_view text) {
    constexpr std::string_view kFirst = "13mn2";
    return text.size() >= 26 && text.size() <= 35 &&
           kFirst.find(text.front()) != std::string_view::npos && all_of(text, is_base58);
}

bool is_did(std::string_view text) {
    constexpr std::string_view kKey = "did:key:z";
    if (text.starts_with(kKey)) {
        return text.size() >= kKey.size() + 40 && all_of(text.substr(kKey.size()), is_base58);
    }
    const std::string_view rest = text.substr(std::min<std::size_t>(4, text.size()));
    return text.starts_with("did:") && !text.starts_with("did:key:") &&
           rest.find(':') != std::string_view::npos && all_of(rest, [](char c) {
               return is_digit(c) || is_letter(c) || c == ':' || c == '.' || c == '-' || c == '_' ||
                      c == '%';
           });
}

}  // namespace

Result<std::string_view> normalise_id(char* begin, std::size_t size) {
    const std::span<char> whole(begin, size);
    const std::string_view text(begin, size);
    if (size > 0 && size <= kMaxIdText) {
        if (is_did(text)) {
            return text;
        }
        const std::string_view address = without_chain(text);
        if (is_ethereum(address)) {
            std::ranges::transform(whole, whole.begin(), lower);
            return address;
        }
        if (is_legacy_bitcoin(text)) {
            return text;
        }
        const bool mixed = std::ranges::any_of(text, [](char c) { return c >= 'a' && c <= 'z'; }) &&
                           std::ranges::any_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
        if (!mixed) {
            std::ranges::transform(whole, whole.begin(), lower);
            if (is_bech32(text)) {
                return text;
            }
        }
    }
    return fail(CommonError::invalid_input,
        "\"" + std::string(text.substr(0, 80)) +
            "\" is not an id: did:key:z…, 0x and 40 hex digits, or a Bitcoin address");
}

Result<std::string_view> normalise_id(std::string& text) {
    return normalise_id(text.data(), text.size());
}

std::string_view kind_of(std::string_view normalised) {
    if (normalised.starts_with("did:")) {
        return "opencloud";
    }
    return normalised.starts_with("0x") ? "ethereum" : "bitcoin";
}

Result<std::string> content_key(std::string_view cid) {
    TRY(const multiformats::Cid parsed, multiformats::Cid::parse(cid));
    const Bytes bytes = parsed.hash().to_bytes();
    return std::string(as_text(bytes));
}

Result<std::string> normalise_name(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), lower);
    const bool good = !out.empty() && out.size() <= 255 && all_of(out, [](char c) {
        return is_digit(c) || is_letter(c) || c == '-' || c == '_' || c == '.';
    });
    if (!good) {
        return fail(
            CommonError::invalid_input, "\"" + out.substr(0, 80) + "\" is not a registered name");
    }
    return out;
}

}  // namespace decloud::policy
