#include "message.hpp"

#include "../internal/characters.hpp"

#include <decloud/base/ascii.hpp>

#include <algorithm>

namespace decloud::net::http {

Headers::Headers(std::initializer_list<Field> fields) {
    for (const Field& field : fields) {
        add(field.name, field.value);
    }
}

std::optional<std::string_view> Headers::find(std::string_view name) const {
    for (const Slot& slot : fields_) {
        if (slot.name_size == name.size()) {
            const Field field = view(slot);
            if (equals_ignoring_case(field.name, name)) {
                return field.value;
            }
        }
    }
    return std::nullopt;
}

std::vector<std::string_view> Headers::all(std::string_view name) const {
    std::vector<std::string_view> values;
    for (const Field field : *this) {
        if (equals_ignoring_case(field.name, name)) {
            values.push_back(field.value);
        }
    }
    return values;
}

std::size_t Headers::count(std::string_view name) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        fields_, [&](const Slot& slot) { return equals_ignoring_case(view(slot).name, name); }));
}

bool Headers::has_token(std::string_view name, std::string_view token) const {
    bool found = false;
    for (const Field field : *this) {
        if (equals_ignoring_case(field.name, name)) {
            net::internal::for_each_token(field.value,
                [&](std::string_view element) { found |= equals_ignoring_case(element, token); });
        }
    }
    return found;
}

void Headers::add(std::string_view name, std::string_view value) {
    const auto at = static_cast<std::uint32_t>(text_.size());
    const auto name_size = static_cast<std::uint32_t>(name.size());
    // `value` may be a view into this very text, which the first append may move.
    if (text_.capacity() < text_.size() + name.size() + value.size()) {
        std::string grown;
        grown.reserve(2 * (text_.size() + name.size() + value.size()) + 64);
        grown.append(text_).append(name).append(value);
        text_ = std::move(grown);
    } else {
        text_.append(name).append(value);
    }
    fields_.push_back({at, name_size, at + name_size, static_cast<std::uint32_t>(value.size())});
}

void Headers::set(std::string_view name, std::string_view value) {
    const std::string kept_name(name);
    const std::string kept_value(value);
    remove(kept_name);
    add(kept_name, kept_value);
}

void Headers::remove(std::string_view name) {
    remove_if([&](const Field& field) { return equals_ignoring_case(field.name, name); });
}

void Headers::clear() {
    text_.clear();
    fields_.clear();
}

bool is_token(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, net::internal::is_token_character);
}

bool is_valid_field(std::string_view name, std::string_view value) {
    return is_token(name) && std::ranges::all_of(value, net::internal::is_value_character) &&
           net::internal::trim(value).size() == value.size();
}

namespace {

std::string_view without_authority(std::string_view target) {
    const std::size_t scheme = target.find("://");
    if (target.starts_with('/') || scheme == std::string_view::npos) {
        return target;
    }
    const std::size_t end = target.find_first_of("/?", scheme + 3);
    return end == std::string_view::npos ? std::string_view{} : target.substr(end);
}

}  // namespace

std::string_view RequestHead::path() const {
    const std::string_view rest = without_authority(target);
    const std::string_view found = rest.substr(0, rest.find('?'));
    return found.empty() ? std::string_view("/") : found;
}

std::string_view RequestHead::query() const {
    const std::string_view rest = without_authority(target);
    const std::size_t mark = rest.find('?');
    return mark == std::string_view::npos ? std::string_view{} : rest.substr(mark + 1);
}

std::string_view reason_phrase(int status) {
    struct Phrase {
        int status;
        std::string_view text;
    };
    static constexpr Phrase kPhrases[] = {{100, "Continue"}, {101, "Switching Protocols"},
        {200, "OK"}, {201, "Created"}, {202, "Accepted"}, {203, "Non-Authoritative Information"},
        {204, "No Content"}, {205, "Reset Content"}, {206, "Partial Content"},
        {300, "Multiple Choices"}, {301, "Moved Permanently"}, {302, "Found"}, {303, "See Other"},
        {304, "Not Modified"}, {307, "Temporary Redirect"}, {308, "Permanent Redirect"},
        {400, "Bad Request"}, {401, "Unauthorized"}, {402, "Payment Required"}, {403, "Forbidden"},
        {404, "Not Found"}, {405, "Method Not Allowed"}, {406, "Not Acceptable"},
        {407, "Proxy Authentication Required"}, {408, "Request Timeout"}, {409, "Conflict"},
        {410, "Gone"}, {411, "Length Required"}, {412, "Precondition Failed"},
        {413, "Content Too Large"}, {414, "URI Too Long"}, {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"}, {417, "Expectation Failed"}, {421, "Misdirected Request"},
        {422, "Unprocessable Content"}, {425, "Too Early"}, {426, "Upgrade Required"},
        {428, "Precondition Required"}, {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"}, {451, "Unavailable For Legal Reasons"},
        {500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"},
        {503, "Service Unavailable"}, {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"}, {508, "Loop Detected"}};
    const auto* found = std::ranges::find(kPhrases, status, &Phrase::status);
    return found == std::end(kPhrases) ? std::string_view("Status") : found->text;
}

}  // namespace decloud::net::http
