#include "structured_fields.hpp"

#include <decloud/base/encoding.hpp>

#include <algorithm>

namespace decloud::protocol {

namespace {

constexpr std::size_t kMaxFieldBytes = 16 * 1024;

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_alpha(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_token_char(char c) {
    return is_alpha(c) || is_digit(c) ||
           std::string_view("!#$%&'*+-.^_`|~:/").find(c) != std::string_view::npos;
}
bool is_key_char(char c) {
    return is_lower(c) || is_digit(c) || c == '_' || c == '-' || c == '.' || c == '*';
}

std::unexpected<Error> malformed(std::string_view what) {
    return fail(CommonError::invalid_input, "structured field: " + std::string(what));
}

class Parser {
  public:
    explicit Parser(std::string_view text) : rest_(text) {}

    [[nodiscard]] bool at_end() const { return rest_.empty(); }
    [[nodiscard]] char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
    void skip_spaces() {
        while (peek() == ' ') {
            rest_.remove_prefix(1);
        }
    }
    void skip_optional_white_space() {
        while (peek() == ' ' || peek() == '\t') {
            rest_.remove_prefix(1);
        }
    }
    bool consume(char c) {
        if (rest_.empty() || rest_.front() != c) {
            return false;
        }
        rest_.remove_prefix(1);
        return true;
    }

    Result<std::string> key() {
        if (!is_lower(peek()) && peek() != '*') {
            return malformed("a key starts with a lower-case letter or *");
        }
        return take(is_key_char);
    }

    Result<BareItem> bare_item() {
        const char c = peek();
        if (c == '-' || is_digit(c)) {
            return integer();
        }
        if (c == '"') {
            return string();
        }
        if (c == ':') {
            return byte_sequence();
        }
        if (c == '?') {
            return boolean();
        }
        if (is_alpha(c) || c == '*') {
            return BareItem(Token{take(is_token_char)});
        }
        return malformed("an item of no known type");
    }

    Result<std::vector<std::pair<std::string, BareItem>>> parameters() {
        std::vector<std::pair<std::string, BareItem>> out;
        while (consume(';')) {
            skip_spaces();
            TRY(std::string name, key());
            BareItem value = true;
            if (consume('=')) {
                TRY(value, bare_item());
            }
            const auto same = std::ranges::find(out, name, [](const auto& p) { return p.first; });
            if (same != out.end()) {
                out.erase(same);
            }
            out.emplace_back(std::move(name), std::move(value));
        }
        return out;
    }

    Result<Item> item() {
        Item out;
        TRY(out.value, bare_item());
        TRY(out.parameters, parameters());
        return out;
    }

  private:
    std::string take(bool (*accepts)(char)) {
        std::size_t n = 0;
        while (n < rest_.size() && accepts(rest_[n])) {
            ++n;
        }
        std::string out(rest_.substr(0, n));
        rest_.remove_prefix(n);
        return out;
    }

    Result<BareItem> integer() {
        const bool negative = consume('-');
        const std::string digits = take(is_digit);
        if (digits.empty() || digits.size() > 15 || peek() == '.') {
            return malformed("an integer has 1 to 15 digits");
        }
        std::int64_t value = 0;
        for (const char c : digits) {
            value = value * 10 + (c - '0');
        }
        return BareItem(negative ? -value : value);
    }

    Result<BareItem> string() {
        rest_.remove_prefix(1);
        std::string out;
        while (!rest_.empty()) {
            const char c = rest_.front();
            rest_.remove_prefix(1);
            if (c == '"') {
                return BareItem(std::move(out));
            }
            if (c == '\\') {
                if (peek() != '"' && peek() != '\\') {
                    return malformed("a bad escape in a string");
                }
                out += peek();
                rest_.remove_prefix(1);
            } else if (c < 0x20 || c == 0x7F) {
                return malformed("a control character or a byte beyond ASCII in a string");
            } else {
                out += c;
            }
        }
        return malformed("a string without its end");
    }

    Result<BareItem> byte_sequence() {
        rest_.remove_prefix(1);
        const std::size_t end = rest_.find(':');
        if (end == std::string_view::npos) {
            return malformed("a byte sequence without its end");
        }
        TRY(Bytes bytes, from_base64(rest_.substr(0, end)));
        rest_.remove_prefix(end + 1);
        return BareItem(std::move(bytes));
    }

    Result<BareItem> boolean() {
        rest_.remove_prefix(1);
        if (consume('1')) {
            return BareItem(true);
        }
        if (consume('0')) {
            return BareItem(false);
        }
        return malformed("a boolean is ?0 or ?1");
    }

    std::string_view rest_;
};

Result<void> append_bare(std::string& out, const BareItem& value) {
    if (const auto* flag = std::get_if<bool>(&value)) {
        out += *flag ? "?1" : "?0";
    } else if (const auto* number = std::get_if<std::int64_t>(&value)) {
        out += std::to_string(*number);
    } else if (const auto* token = std::get_if<Token>(&value)) {
        out += token->text;
    } else if (const auto* bytes = std::get_if<Bytes>(&value)) {
        out += ':' + to_base64(*bytes) + ':';
    } else if (const auto* text = std::get_if<std::string>(&value)) {
        out += '"';
        for (const char c : *text) {
            if (c < 0x20 || c == 0x7F) {
                return malformed("a character that a string cannot carry");
            }
            if (c == '"' || c == '\\') {
                out += '\\';
            }
            out += c;
        }
        out += '"';
    }
    return {};
}

}  // namespace

const BareItem* Item::parameter(std::string_view key) const {
    const auto found = std::ranges::find(parameters, key, [](const auto& p) { return p.first; });
    return found == parameters.end() ? nullptr : &found->second;
}

std::optional<std::string> Item::string_parameter(std::string_view key) const {
    const BareItem* found = parameter(key);
    const auto* text = found == nullptr ? nullptr : std::get_if<std::string>(found);
    return text == nullptr ? std::nullopt : std::optional(*text);
}

const Bytes* Item::bytes_parameter(std::string_view key) const {
    const BareItem* found = parameter(key);
    return found == nullptr ? nullptr : std::get_if<Bytes>(found);
}

Result<Item> parse_item(std::string_view text) {
    if (text.size() > kMaxFieldBytes) {
        return malformed("longer than 16 KiB");
    }
    Parser parser(text);
    parser.skip_spaces();
    TRY(Item item, parser.item());
    parser.skip_spaces();
    if (!parser.at_end()) {
        return malformed("something follows the item");
    }
    return item;
}

Result<Dictionary> parse_dictionary(std::string_view text) {
    if (text.size() > kMaxFieldBytes) {
        return malformed("longer than 16 KiB");
    }
    Parser parser(text);
    Dictionary out;
    parser.skip_spaces();
    while (!parser.at_end()) {
        TRY(std::string name, parser.key());
        Item item{.value = true, .parameters = {}};
        if (parser.consume('=')) {
            TRY(item, parser.item());
        } else {
            TRY(item.parameters, parser.parameters());
        }
        std::erase_if(out, [&name](const auto& member) { return member.first == name; });
        out.emplace_back(std::move(name), std::move(item));
        parser.skip_optional_white_space();
        if (parser.at_end()) {
            return out;
        }
        if (!parser.consume(',')) {
            return malformed("members are separated by commas");
        }
        parser.skip_optional_white_space();
        if (parser.at_end()) {
            return malformed("a comma at the end");
        }
    }
    return out;
}

Result<std::string> serialize_item(const Item& item) {
    std::string out;
    TRY_VOID(append_bare(out, item.value));
    for (const auto& [key, value] : item.parameters) {
        out += ';' + key;
        if (const auto* flag = std::get_if<bool>(&value); flag == nullptr || !*flag) {
            out += '=';
            TRY_VOID(append_bare(out, value));
        }
    }
    return out;
}

}  // namespace decloud::protocol
