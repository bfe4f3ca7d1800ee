#include "signature_base.hpp"

#include <decloud/base/ascii.hpp>
#include <decloud/base/encoding.hpp>

#include <algorithm>
#include <array>

namespace decloud::protocol {

namespace {

std::unexpected<Error> unsignable(std::string_view component, std::string_view why) {
    return fail(CommonError::invalid_input,
        "the signed component \"" + std::string(component) + "\" " + std::string(why));
}

bool has_flag(const Parameters& parameters, std::string_view name) {
    const bool* found = find_parameter<bool>(parameters, name);
    return found != nullptr && *found;
}

std::string_view trim(std::string_view text) {
    const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && is_space(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && is_space(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

std::string_view path_of(std::string_view target) { return target.substr(0, target.find('?')); }

std::string_view query_of(std::string_view target) {
    const std::size_t question = target.find('?');
    return question == std::string_view::npos ? std::string_view("?") : target.substr(question);
}

/// application/x-www-form-urlencoded, as RFC 9421 §2.2.8 has names and values read.
Result<std::string> form_decode(std::string_view text) {
    std::string spaced(text);
    std::ranges::replace(spaced, '+', ' ');
    return percent_decode(spaced);
}

Result<std::string> query_parameter(const SignableMessage& message, const Parameters& parameters) {
    const auto* name = find_parameter<std::string>(parameters, "name");
    if (name == nullptr) {
        return unsignable("@query-param", "needs a name");
    }
    TRY(const std::string wanted, percent_decode(*name));
    std::string_view rest = query_of(message.target).substr(1);
    std::optional<std::string> value;
    while (!rest.empty()) {
        const std::string_view part = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
        const std::size_t equals = part.find('=');
        TRY(const std::string key, form_decode(part.substr(0, equals)));
        if (key != wanted) {
            continue;
        }
        if (value) {
            return unsignable("@query-param", "stands for several parameters");
        }
        TRY(value, form_decode(equals == std::string_view::npos ? "" : part.substr(equals + 1)));
    }
    if (!value) {
        return unsignable("@query-param", "is not in the query");
    }
    return percent_encode(*value);
}

Result<std::string> derived(
    const SignableMessage& message, std::string_view name, const Parameters& parameters) {
    if (name == "@status") {
        if (!message.status) {
            return unsignable(name, "is not part of a request");
        }
        return std::to_string(*message.status);
    }
    if (message.status) {
        return unsignable(name, "is not part of a response");
    }
    if (name == "@method") {
        return std::string(message.method);
    }
    if (name == "@path") {
        const std::string_view path = path_of(message.target);
        return std::string(path.empty() ? "/" : path);
    }
    if (name == "@query") {
        return std::string(query_of(message.target));
    }
    if (name == "@query-param") {
        return query_parameter(message, parameters);
    }
    if (name == "@authority") {
        return normalized_authority(message.authority, message.scheme);
    }
    if (name == "@scheme") {
        return to_lower(message.scheme);
    }
    if (name == "@request-target") {
        return std::string(message.target);
    }
    if (name == "@target-uri") {
        return to_lower(message.scheme) + "://" +
               normalized_authority(message.authority, message.scheme) +
               std::string(message.target);
    }
    return unsignable(name, "is not known");
}

/// A field whose type is known from nowhere but its own text: dictionaries are lists too.
Result<std::string> strictly_serialized(std::string_view name, const std::string& joined) {
    if (const auto item = parse_item(joined)) {
        return serialize_item(*item);
    }
    if (const auto dictionary = parse_dictionary(joined)) {
        return serialize_dictionary(*dictionary);
    }
    if (const auto list = parse_list(joined)) {
        return serialize_list(*list);
    }
    return unsignable(name, "is no structured field");
}

Result<std::string> dictionary_member(
    std::string_view name, const std::string& joined, const std::string& key) {
    TRY(const Dictionary members, parse_dictionary(joined));
    const auto found = std::ranges::find(members, key, [](const auto& m) { return m.first; });
    if (found == members.end()) {
        return unsignable(name, "has no member \"" + key + "\"");
    }
    if (const auto* item = std::get_if<Item>(&found->second)) {
        return serialize_item(*item);
    }
    return serialize_inner_list(std::get<InnerList>(found->second));
}

Result<std::string> field(
    const SignableMessage& message, std::string_view name, const Parameters& parameters) {
    const auto* fields = has_flag(parameters, "tr") ? message.trailers : message.headers;
    const auto values = fields == nullptr ? std::vector<std::string_view>() : fields->all(name);
    if (values.empty()) {
        return unsignable(name, "is not in the message");
    }
    const bool as_bytes_wanted = has_flag(parameters, "bs");
    std::string joined;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const std::string_view value = values[i];
        joined += i == 0 ? "" : ", ";
        joined += as_bytes_wanted ? ":" + to_base64(as_bytes(trim(value))) + ":"
                                  : std::string(trim(value));
    }
    const auto* key = find_parameter<std::string>(parameters, "key");
    if (as_bytes_wanted && (key != nullptr || has_flag(parameters, "sf"))) {
        return unsignable(name, "cannot be both bytes and a structured field");
    }
    if (key != nullptr) {
        return dictionary_member(name, joined, *key);
    }
    return has_flag(parameters, "sf") ? strictly_serialized(name, joined)
                                      : Result<std::string>(joined);
}

constexpr std::array<std::string_view, 6> kKnownParameters{"sf", "key", "bs", "tr", "req", "name"};

Result<std::string> component(const SignableMessage& message, const Item& item) {
    const auto& name = std::get<std::string>(item.value);
    for (const auto& [key, value] : item.parameters) {
        if (std::ranges::find(kKnownParameters, key) == kKnownParameters.end()) {
            return unsignable(name, "has the unknown parameter \"" + key + "\"");
        }
    }
    const SignableMessage* source = &message;
    if (has_flag(item.parameters, "req")) {
        source = message.request;
        if (source == nullptr) {
            return unsignable(name, "is of a request that is not there");
        }
    }
    if (name != to_lower(name)) {
        return unsignable(name, "is not in lower case");
    }
    return name.starts_with('@') ? derived(*source, name, item.parameters)
                                 : field(*source, name, item.parameters);
}

}  // namespace

std::string component_name(std::string_view field_name) { return to_lower(field_name); }

std::string normalized_authority(std::string_view authority, std::string_view scheme) {
    std::string out = to_lower(authority);
    const std::string_view port = to_lower(scheme) == "http" ? ":80" : ":443";
    if (out.ends_with(port)) {
        out.resize(out.size() - port.size());
    }
    return out;
}

Result<std::string> signature_base(const SignableMessage& message, const InnerList& input) {
    std::string base;
    std::vector<std::string> identifiers;
    for (const Item& item : input.items) {
        if (!std::holds_alternative<std::string>(item.value)) {
            return fail(CommonError::invalid_input, "signed components are named by strings");
        }
        TRY(std::string identifier, serialize_item(item));
        if (std::ranges::find(identifiers, identifier) != identifiers.end()) {
            return unsignable(std::get<std::string>(item.value), "is named twice");
        }
        TRY(const std::string value, component(message, item));
        if (value.find('\n') != std::string::npos) {
            return unsignable(std::get<std::string>(item.value), "has a line break");
        }
        base.append(identifier).append(": ").append(value).append("\n");
        identifiers.push_back(std::move(identifier));
    }
    TRY(const std::string parameters, serialize_inner_list(input));
    return base + "\"@signature-params\": " + parameters;
}

}  // namespace decloud::protocol
