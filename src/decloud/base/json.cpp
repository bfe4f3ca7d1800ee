#include "json.hpp"

#include "encoding.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/stream_parser.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace decloud::json {

namespace {

constexpr std::int64_t kMaxSafeInteger = 9'007'199'254'740'992;

/// Boost.JSON keeps the last of two equal keys; this handler only looks for them.
struct DuplicateFinder {
    static constexpr std::size_t max_object_size = std::size_t(-1);
    static constexpr std::size_t max_array_size = std::size_t(-1);
    static constexpr std::size_t max_key_size = std::size_t(-1);
    static constexpr std::size_t max_string_size = std::size_t(-1);

    std::vector<std::vector<std::string>> keys;
    std::string partial_key;
    bool duplicate = false;

    using error_code = boost::json::error_code;
    using string_view = boost::json::string_view;

    bool on_document_begin(error_code& /*code*/) { return true; }
    bool on_document_end(error_code& /*code*/) { return true; }
    bool on_object_begin(error_code& /*code*/) {
        keys.emplace_back();
        return true;
    }
    bool on_object_end(std::size_t /*n*/, error_code& /*code*/) {
        auto& names = keys.back();
        std::ranges::sort(names);
        duplicate = duplicate || std::ranges::adjacent_find(names) != names.end();
        keys.pop_back();
        return true;
    }
    bool on_array_begin(error_code& /*code*/) { return true; }
    bool on_array_end(std::size_t /*n*/, error_code& /*code*/) { return true; }
    bool on_key_part(string_view part, std::size_t /*n*/, error_code& /*code*/) {
        partial_key.append(part.data(), part.size());
        return true;
    }
    bool on_key(string_view part, std::size_t /*n*/, error_code& /*code*/) {
        partial_key.append(part.data(), part.size());
        keys.back().push_back(std::exchange(partial_key, {}));
        return true;
    }
    bool on_string_part(string_view /*s*/, std::size_t /*n*/, error_code& /*code*/) { return true; }
    bool on_string(string_view /*s*/, std::size_t /*n*/, error_code& /*code*/) { return true; }
    bool on_number_part(string_view /*s*/, error_code& /*code*/) { return true; }
    bool on_int64(std::int64_t /*i*/, string_view /*s*/, error_code& /*code*/) { return true; }
    bool on_uint64(std::uint64_t /*u*/, string_view /*s*/, error_code& /*code*/) { return true; }
    bool on_double(double /*d*/, string_view /*s*/, error_code& /*code*/) { return true; }
    bool on_bool(bool /*b*/, error_code& /*code*/) { return true; }
    bool on_null(error_code& /*code*/) { return true; }
    bool on_comment_part(string_view /*s*/, error_code& /*code*/) { return true; }
    bool on_comment(string_view /*s*/, error_code& /*code*/) { return true; }
};

boost::json::parse_options options_for(Limits limits) {
    boost::json::parse_options options;
    options.max_depth = limits.max_depth;
    return options;
}

void append_string(std::string& out, std::string_view text) {
    constexpr std::string_view kHex = "0123456789abcdef";
    out += '"';
    for (const char c : text) {
        switch (c) {
            case '"':
                out += "\\\"";
                break;
            case '\\':
                out += "\\\\";
                break;
            case '\b':
                out += "\\b";
                break;
            case '\f':
                out += "\\f";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\r':
                out += "\\r";
                break;
            case '\t':
                out += "\\t";
                break;
            default:
                if (static_cast<unsigned char>(c) < 0x20) {
                    out += "\\u00";
                    out += kHex[static_cast<unsigned char>(c) >> 4U];
                    out += kHex[static_cast<unsigned char>(c) & 15U];
                } else {
                    out += c;
                }
        }
    }
    out += '"';
}

/// RFC 8785 sorts by UTF-16 code units, which differs from byte order above U+FFFF.
std::u16string to_utf16(std::string_view text) {
    std::u16string out;
    for (std::size_t i = 0; i < text.size();) {
        const auto lead = static_cast<unsigned char>(text[i]);
        const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
        std::uint32_t point = length == 1 ? lead : lead & (0xFFU >> (length + 1));
        for (std::size_t k = 1; k < length; ++k) {
            point = (point << 6U) | (static_cast<unsigned char>(text[i + k]) & 0x3FU);
        }
        if (point >= 0x10000) {
            out += static_cast<char16_t>(0xD800 + ((point - 0x10000) >> 10U));
            out += static_cast<char16_t>(0xDC00 + ((point - 0x10000) & 0x3FFU));
        } else {
            out += static_cast<char16_t>(point);
        }
        i += length;
    }
    return out;
}

Result<void> append_canonical(std::string& out, const Value& value);

Result<void> append_object(std::string& out, const Object& object) {
    std::vector<std::pair<std::u16string, const boost::json::key_value_pair*>> members;
    for (const auto& member : object) {
        const std::string_view key(member.key().data(), member.key().size());
        if (!is_utf8(as_bytes(key))) {
            return fail(CommonError::invalid_input, "a JSON name that is not UTF-8");
        }
        members.emplace_back(to_utf16(key), &member);
    }
    std::ranges::sort(members, {}, [](const auto& member) -> const auto& { return member.first; });
    out += '{';
    for (std::size_t i = 0; i < members.size(); ++i) {
        if (i != 0) {
            out += ',';
        }
        const auto& key = members[i].second->key();
        append_string(out, {key.data(), key.size()});
        out += ':';
        TRY_VOID(append_canonical(out, members[i].second->value()));
    }
    out += '}';
    return {};
}

Result<void> append_canonical(std::string& out, const Value& value) {
    switch (value.kind()) {
        case boost::json::kind::null:
            out += "null";
            return {};
        case boost::json::kind::bool_:
            out += value.get_bool() ? "true" : "false";
            return {};
        case boost::json::kind::int64:
            if (value.get_int64() > kMaxSafeInteger || value.get_int64() < -kMaxSafeInteger) {
                return fail(CommonError::invalid_input, "a JSON integer beyond 2^53");
            }
            out += std::to_string(value.get_int64());
            return {};
        case boost::json::kind::uint64:
            if (value.get_uint64() > static_cast<std::uint64_t>(kMaxSafeInteger)) {
                return fail(CommonError::invalid_input, "a JSON integer beyond 2^53");
            }
            out += std::to_string(value.get_uint64());
            return {};
        case boost::json::kind::double_:
            return fail(CommonError::invalid_input, "a JSON number that is not an integer");
        case boost::json::kind::string: {
            const auto& text = value.get_string();
            if (!is_utf8(as_bytes(std::string_view(text.data(), text.size())))) {
                return fail(CommonError::invalid_input, "JSON text that is not UTF-8");
            }
            append_string(out, {text.data(), text.size()});
            return {};
        }
        case boost::json::kind::array:
            out += '[';
            for (std::size_t i = 0; i < value.get_array().size(); ++i) {
                if (i != 0) {
                    out += ',';
                }
                TRY_VOID(append_canonical(out, value.get_array()[i]));
            }
            out += ']';
            return {};
        case boost::json::kind::object:
            return append_object(out, value.get_object());
    }
    return fail(CommonError::internal, "an unknown kind of JSON value");
}

std::unexpected<Error> wrong_type(std::string_view name, std::string_view type) {
    return fail(
        CommonError::invalid_input, "\"" + std::string(name) + "\" must be " + std::string(type));
}

}  // namespace

Result<Value> parse(std::string_view text, Limits limits) {
    if (text.size() > limits.max_bytes) {
        return fail(CommonError::limit_exceeded,
            "JSON of more than " + std::to_string(limits.max_bytes) + " bytes");
    }
    boost::json::error_code code;
    Value value = boost::json::parse(text, code, {}, options_for(limits));
    if (code) {
        return fail(CommonError::invalid_input, "JSON: " + code.message());
    }
    boost::json::basic_parser<DuplicateFinder> finder(options_for(limits));
    finder.write_some(false, text.data(), text.size(), code);
    if (finder.handler().duplicate) {
        return fail(CommonError::invalid_input, "JSON: a name that occurs twice");
    }
    return value;
}

Result<std::string> canonical(const Value& value) {
    std::string out;
    TRY_VOID(append_canonical(out, value));
    return out;
}

std::string to_text(const Value& value) { return boost::json::serialize(value); }

Result<std::string> string_member(const Object& object, std::string_view name) {
    const Value* value = object.if_contains(name);
    if (value == nullptr || !value->is_string()) {
        return wrong_type(name, "a string");
    }
    return std::string(value->get_string());
}

Result<std::uint64_t> uint_member(const Object& object, std::string_view name) {
    const Value* value = object.if_contains(name);
    if (value != nullptr && value->is_int64() && value->get_int64() >= 0) {
        return static_cast<std::uint64_t>(value->get_int64());
    }
    if (value != nullptr && value->is_uint64()) {
        return value->get_uint64();
    }
    return wrong_type(name, "an integer that is not negative");
}

Result<Object> object_member(const Object& object, std::string_view name) {
    const Value* value = object.if_contains(name);
    if (value == nullptr || !value->is_object()) {
        return wrong_type(name, "an object");
    }
    return value->get_object();
}

Result<Array> array_member(const Object& object, std::string_view name) {
    const Value* value = object.if_contains(name);
    if (value == nullptr || !value->is_array()) {
        return wrong_type(name, "an array");
    }
    return value->get_array();
}

Result<bool> bool_member(const Object& object, std::string_view name) {
    const Value* value = object.if_contains(name);
    if (value == nullptr || !value->is_bool()) {
        return wrong_type(name, "true or false");
    }
    return value->get_bool();
}

}  // namespace decloud::json
