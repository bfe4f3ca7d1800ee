#include "answers.hpp"

#include <decloud/base/json.hpp>

#include <algorithm>

namespace decloud::kubo::internal {

namespace {

constexpr json::Limits kLimits{.max_bytes = std::size_t{64} << 10U, .max_depth = 16};
constexpr std::size_t kLongestMessage = 300;

Result<json::Object> read_object(std::string_view text) {
    TRY(json::Value value, json::parse(text, kLimits));
    if (!value.is_object()) {
        return fail(CommonError::invalid_input, "no JSON object");
    }
    return std::move(value.get_object());
}

std::string readable(std::string_view text) {
    std::string out(text.substr(0, kLongestMessage));
    std::ranges::replace_if(
        out, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }, ' ');
    return out;
}

bool is_unsynced(const json::Value& value) {
    if (value.is_array()) {
        return std::ranges::any_of(value.get_array(), is_unsynced);
    }
    if (!value.is_object()) {
        return false;
    }
    const json::Object& object = value.get_object();
    const auto type = json::string_member(object, "type");
    const auto sync = json::bool_member(object, "sync");
    if (type && *type == "flatfs" && sync && !*sync) {
        return true;
    }
    return std::ranges::any_of(
        object, [](const auto& member) { return is_unsynced(member.value()); });
}

}  // namespace

Result<std::string> read_message(std::string_view body) {
    TRY(const json::Object object, read_object(body));
    TRY(const std::string type, json::string_member(object, "Type"));
    if (type != "error") {
        return fail(CommonError::invalid_input, "no error of Kubo's");
    }
    TRY(const std::string message, json::string_member(object, "Message"));
    return readable(message);
}

bool says_missing(std::string_view message) {
    return message.find("not found locally") != std::string_view::npos;
}

bool says_not_pinned(std::string_view message) {
    return message.find("not pinned") != std::string_view::npos;
}

Result<std::uint64_t> read_imported_blocks(std::string_view body) {
    while (!body.empty()) {
        const std::size_t end = std::min(body.find('\n'), body.size());
        TRY(const json::Object line, read_object(body.substr(0, end)));
        if (line.contains("Stats")) {
            TRY(const json::Object stats, json::object_member(line, "Stats"));
            return json::uint_member(stats, "BlockCount");
        }
        body.remove_prefix(std::min(end + 1, body.size()));
    }
    return fail(CommonError::invalid_input, "no number of blocks");
}

Result<std::string> read_version(std::string_view body) {
    TRY(const json::Object object, read_object(body));
    TRY(const std::string version, json::string_member(object, "Version"));
    return readable(version);
}

Result<bool> read_is_unsynced(std::string_view body) {
    TRY(const json::Object object, read_object(body));
    const json::Value* const value = object.if_contains("Value");
    if (value == nullptr) {
        return fail(CommonError::invalid_input, "no value");
    }
    return is_unsynced(*value);
}

}  // namespace decloud::kubo::internal
