#include "structured_fields.hpp"

#include <decloud/base/encoding.hpp>

#include <algorithm>

namespace decloud::protocol {

namespace {

constexpr std::size_t kMaxFieldBytes = 64 * 1024;

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
            return number();
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
        if (c == '@') {
            return date();
        }
        if (c == '%') {
            return display_string();
        }
        if (is_alpha(c) || c == '*') {
            return BareItem(Token{take(is_token_char)});
        }
        return malformed("an item of no known type");
    }

    Result<Parameters> parameters() {
        Parameters out;
        while (consume(';')) {
            skip_spaces();
            TRY(std::string name, key());
            BareItem value = true;
            if (consume('=')) {
                TRY(value, bare_item());
            }
            put(out, std::move(name), std::move(value));
        }
        return out;
    }

    Result<Item> item() {
        Item out;
        TRY(out.value, bare_item());
        TRY(out.parameters, parameters());
        return out;
    }

    Result<Member> member() {
        if (peek() != '(') {
            TRY(Item plain, item());
            return Member(std::move(plain));
        }
        TRY(InnerList list, inner_list());
        return Member(std::move(list));
    }

    Result<InnerList> inner_list() {
        InnerList out;
        rest_.remove_prefix(1);
        while (!at_end()) {
            skip_spaces();
            if (consume(')')) {
                TRY(out.parameters, parameters());
                return out;
            }
            TRY(Item next, item());
            out.items.push_back(std::move(next));
            if (peek() != ' ' && peek() != ')') {
                return malformed("the items of an inner list are separated by spaces");
            }
        }
        return malformed("an inner list without its end");
    }

    /// Over the comma to the next member; false at the end.
    Result<bool> next_member() {
        skip_optional_white_space();
        if (at_end()) {
            return false;
        }
        if (!consume(',')) {
            return malformed("members are separated by commas");
        }
        skip_optional_white_space();
        if (at_end()) {
            return malformed("a comma at the end");
        }
        return true;
    }

    template <class Value>
    static void put(
        std::vector<std::pair<std::string, Value>>& members, std::string name, Value value) {
        const auto same = std::ranges::find(members, name, [](const auto& p) { return p.first; });
        if (same != members.end()) {
            same->second = std::move(value);
        } else {
            members.emplace_back(std::move(name), std::move(value));
        }
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

    Result<BareItem> number() {
        const bool negative = consume('-');
        std::string digits = take(is_digit);
        const bool has_point = consume('.');
        const std::string fraction = has_point ? take(is_digit) : std::string();
        if (digits.empty() || digits.size() > (has_point ? 12U : 15U)) {
            return malformed("an integer has 1 to 15 digits, a decimal 1 to 12 before the point");
        }
        if (has_point && (fraction.empty() || fraction.size() > 3)) {
            return malformed("a decimal has 1 to 3 digits behind the point");
        }
        if (has_point) {
            digits += fraction;
            digits.append(3 - fraction.size(), '0');
        }
        std::int64_t value = 0;
        for (const char c : digits) {
            value = value * 10 + (c - '0');
        }
        value = negative ? -value : value;
        return has_point ? BareItem(Decimal{value}) : BareItem(value);
    }

    Result<BareItem> date() {
        rest_.remove_prefix(1);
        if (peek() != '-' && !is_digit(peek())) {
            return malformed("a date is @ and an integer");
        }
        TRY(const BareItem seconds, number());
        const auto* integer = std::get_if<std::int64_t>(&seconds);
        if (integer == nullptr) {
            return malformed("a date has whole seconds");
        }
        return BareItem(Date{*integer});
    }

    Result<BareItem> display_string() {
        rest_.remove_prefix(1);
        if (!consume('"')) {
            return malformed("a display string starts with %\"");
        }
        std::string out;
        while (!rest_.empty()) {
            const char c = rest_.front();
            rest_.remove_prefix(1);
            if (c == '"') {
                if (!is_utf8(as_bytes(out))) {
                    return malformed("a display string that is not UTF-8");
                }
                return BareItem(DisplayString{std::move(out)});
            }
            if (c < 0x20 || c == 0x7F) {
                return malformed("a control character or a byte beyond ASCII");
            }
            if (c != '%') {
                out += c;
                continue;
            }
            const std::string_view digits = rest_.substr(0, 2);
            const auto is_hex = [](char d) { return is_digit(d) || (d >= 'a' && d <= 'f'); };
            if (digits.size() < 2 || !std::ranges::all_of(digits, is_hex)) {
                return malformed("a percent sign is followed by two lower-case hex digits");
            }
            const auto value = [](char d) { return is_digit(d) ? d - '0' : d - 'a' + 10; };
            out += static_cast<char>(value(digits[0]) * 16 + value(digits[1]));
            rest_.remove_prefix(2);
        }
        return malformed("a display string without its end");
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

}  // namespace

const BareItem* find_parameter(const Parameters& parameters, std::string_view key) {
    const auto found = std::ranges::find(parameters, key, [](const auto& p) { return p.first; });
    return found == parameters.end() ? nullptr : &found->second;
}

const BareItem* Item::parameter(std::string_view key) const {
    return find_parameter(parameters, key);
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
        return malformed("longer than 64 KiB");
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

Result<List> parse_list(std::string_view text) {
    if (text.size() > kMaxFieldBytes) {
        return malformed("longer than 64 KiB");
    }
    Parser parser(text);
    List out;
    parser.skip_spaces();
    bool more = !parser.at_end();
    while (more) {
        TRY(Member member, parser.member());
        out.push_back(std::move(member));
        TRY(more, parser.next_member());
    }
    return out;
}

Result<Dictionary> parse_dictionary(std::string_view text) {
    if (text.size() > kMaxFieldBytes) {
        return malformed("longer than 64 KiB");
    }
    Parser parser(text);
    Dictionary out;
    parser.skip_spaces();
    bool more = !parser.at_end();
    while (more) {
        TRY(std::string name, parser.key());
        Member member = Item{.value = true};
        if (parser.consume('=')) {
            TRY(member, parser.member());
        } else {
            TRY(std::get<Item>(member).parameters, parser.parameters());
        }
        Parser::put(out, std::move(name), std::move(member));
        TRY(more, parser.next_member());
    }
    return out;
}

}  // namespace decloud::protocol
