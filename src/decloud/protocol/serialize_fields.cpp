#include "structured_fields.hpp"

#include <decloud/base/encoding.hpp>

#include <algorithm>

namespace decloud::protocol {

namespace {

constexpr std::int64_t kMaxInteger = 999'999'999'999'999;

std::unexpected<Error> unfit(std::string_view what) {
    return fail(CommonError::invalid_input, "structured field: " + std::string(what));
}

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alpha(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }

bool is_key(std::string_view text) {
    return !text.empty() && (is_lower(text.front()) || text.front() == '*') &&
           std::ranges::all_of(text, [](char c) {
               return is_lower(c) || is_digit(c) || std::string_view("_-.*").contains(c);
           });
}

bool is_token(std::string_view text) {
    return !text.empty() && (is_alpha(text.front()) || text.front() == '*') &&
           std::ranges::all_of(text, [](char c) {
               return is_alpha(c) || is_digit(c) ||
                      std::string_view("!#$%&'*+-.^_`|~:/").contains(c);
           });
}

struct Writer {
    std::string& out;

    Result<void> operator()(bool flag) const {
        out += flag ? "?1" : "?0";
        return {};
    }
    Result<void> operator()(std::int64_t number) const {
        if (number > kMaxInteger || number < -kMaxInteger) {
            return unfit("an integer has at most 15 digits");
        }
        out += std::to_string(number);
        return {};
    }
    Result<void> operator()(const Token& token) const {
        if (!is_token(token.text)) {
            return unfit("not a token");
        }
        out += token.text;
        return {};
    }
    Result<void> operator()(const Bytes& bytes) const {
        out += ':' + to_base64(bytes) + ':';
        return {};
    }
    Result<void> operator()(const Decimal& decimal) const {
        if (decimal.thousandths > kMaxInteger || decimal.thousandths < -kMaxInteger) {
            return unfit("a decimal has at most 12 digits before the point");
        }
        const auto value = static_cast<std::uint64_t>(
            decimal.thousandths < 0 ? -decimal.thousandths : decimal.thousandths);
        std::string fraction = std::to_string(1000 + value % 1000).substr(1);
        while (fraction.size() > 1 && fraction.back() == '0') {
            fraction.pop_back();
        }
        out += (decimal.thousandths < 0 ? "-" : "") + std::to_string(value / 1000) + "." + fraction;
        return {};
    }
    Result<void> operator()(const Date& date) const {
        out += '@';
        return (*this)(date.seconds);
    }
    Result<void> operator()(const DisplayString& text) const {
        if (!is_utf8(as_bytes(text.text))) {
            return unfit("a display string is UTF-8");
        }
        constexpr std::string_view kDigits = "0123456789abcdef";
        out += "%\"";
        for (const char c : text.text) {
            const auto byte = static_cast<unsigned char>(c);
            if (c == '%' || c == '"' || byte < 0x20 || byte >= 0x7F) {
                out += {'%', kDigits[byte >> 4U], kDigits[byte & 15U]};
            } else {
                out += c;
            }
        }
        out += '"';
        return {};
    }
    Result<void> operator()(const std::string& text) const {
        out += '"';
        for (const char c : text) {
            if (c < 0x20 || c == 0x7F) {
                return unfit("a character that a string cannot carry");
            }
            if (c == '"' || c == '\\') {
                out += '\\';
            }
            out += c;
        }
        out += '"';
        return {};
    }
};

Result<void> append_bare(std::string& out, const BareItem& value) {
    return std::visit(Writer{out}, value);
}

Result<void> append_parameters(std::string& out, const Parameters& parameters) {
    for (const auto& [key, value] : parameters) {
        if (!is_key(key)) {
            return unfit("a key that the format cannot carry");
        }
        out += ';' + key;
        if (const auto* flag = std::get_if<bool>(&value); flag == nullptr || !*flag) {
            out += '=';
            TRY_VOID(append_bare(out, value));
        }
    }
    return {};
}

Result<void> append_item(std::string& out, const Item& item) {
    TRY_VOID(append_bare(out, item.value));
    return append_parameters(out, item.parameters);
}

Result<void> append_inner_list(std::string& out, const InnerList& list) {
    out += '(';
    for (const Item& item : list.items) {
        if (&item != &list.items.front()) {
            out += ' ';
        }
        TRY_VOID(append_item(out, item));
    }
    out += ')';
    return append_parameters(out, list.parameters);
}

Result<void> append_member(std::string& out, const Member& member) {
    if (const auto* item = std::get_if<Item>(&member)) {
        return append_item(out, *item);
    }
    return append_inner_list(out, std::get<InnerList>(member));
}

}  // namespace

Result<std::string> serialize_item(const Item& item) {
    std::string out;
    TRY_VOID(append_item(out, item));
    return out;
}

Result<std::string> serialize_inner_list(const InnerList& list) {
    std::string out;
    TRY_VOID(append_inner_list(out, list));
    return out;
}

Result<std::string> serialize_list(const List& list) {
    std::string out;
    for (const Member& member : list) {
        out += out.empty() ? "" : ", ";
        TRY_VOID(append_member(out, member));
    }
    return out;
}

Result<std::string> serialize_dictionary(const Dictionary& dictionary) {
    std::string out;
    for (const auto& [key, member] : dictionary) {
        if (!is_key(key)) {
            return unfit("a key that the format cannot carry");
        }
        out += (out.empty() ? "" : ", ") + key;
        const auto* item = std::get_if<Item>(&member);
        const auto* flag = item == nullptr ? nullptr : std::get_if<bool>(&item->value);
        if (flag != nullptr && *flag) {
            TRY_VOID(append_parameters(out, item->parameters));
        } else {
            out += '=';
            TRY_VOID(append_member(out, member));
        }
    }
    return out;
}

}  // namespace decloud::protocol
