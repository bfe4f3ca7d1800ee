#include "secrets.hpp"

#include "error.hpp"
#include "internal/variables.hpp"

#include <decloud/base/json.hpp>
#include <decloud/store/atomic_file.hpp>

#include <algorithm>

namespace decloud::client {

namespace {

constexpr std::uint64_t kMaxFileBytes = 1U << 20U;

}  // namespace

Result<Secrets> Secrets::load(const std::filesystem::path& folder, std::string_view function) {
    TRY_VOID(internal::check_function_name(function));
    Secrets out(folder / (std::string(function) + ".json"));
    auto text = store::read_file(out.file_, kMaxFileBytes);
    if (!text) {
        if (text.error() == make_error_code(CommonError::not_found)) {
            return out;
        }
        return fail(std::move(text.error()));
    }
    const auto value = json::parse(as_text(*text), {.max_bytes = kMaxFileBytes, .max_depth = 3});
    if (!value || !value->is_object()) {
        return fail(CommonError::corrupt, out.file_.string() + " is not a file of secrets");
    }
    for (const auto& entry : value->get_object()) {
        if (!entry.value().is_string()) {
            return fail(CommonError::corrupt, out.file_.string() + " is not a file of secrets");
        }
        TRY_VOID(out.set(entry.key(), entry.value().get_string()));
    }
    return out;
}

std::vector<std::string> Secrets::names() const {
    std::vector<std::string> out;
    for (const auto& [name, value] : variables_) {
        out.push_back(name);
    }
    return out;
}

Result<void> Secrets::set(std::string_view key, std::string_view value) {
    TRY_VOID(internal::check_variable(key, value));
    (void)remove(key);
    variables_.emplace_back(key, value);
    std::ranges::sort(variables_);
    return {};
}

bool Secrets::remove(std::string_view key) {
    return std::erase_if(variables_, [&](const auto& entry) { return entry.first == key; }) > 0;
}

Result<void> Secrets::save() const {
    json::Object object;
    for (const auto& [name, value] : variables_) {
        object[name] = value;
    }
    return store::write_file_atomically(file_, as_bytes(json::to_text(object)));
}

}  // namespace decloud::client
