#include "home.hpp"

#include "error.hpp"

#include <decloud/store/atomic_file.hpp>
#include <decloud/store/error.hpp>

#include <charconv>
#include <cstdlib>

namespace decloud::client {

namespace fs = std::filesystem;

namespace {

Result<void> make_private_folder(const fs::path& folder) {
    std::error_code failed;
    if (fs::create_directories(folder, failed)) {
        fs::permissions(folder, fs::perms::owner_all, failed);
    }
    if (failed) {
        return fail(errno_error("make " + folder.string(), failed.value()));
    }
    return {};
}

fs::path format_file(const Home& home) { return home.data / "format"; }

Result<void> write_format(const Home& home, unsigned format) {
    return store::write_file_atomically(format_file(home), as_bytes(std::to_string(format) + "\n"));
}

/// 0 if the home is new.
Result<unsigned> read_format(const Home& home) {
    auto text = store::read_file(format_file(home), 64);
    if (!text && text.error() == make_error_code(CommonError::not_found)) {
        return 0U;
    }
    if (!text) {
        return fail(std::move(text.error()));
    }
    const std::string_view digits = as_text(*text);
    unsigned format = 0;
    const auto [end, problem] =
        std::from_chars(digits.data(), digits.data() + digits.size(), format);
    const bool whole = end == digits.data() + digits.size() || *end == '\n';
    if (problem != std::errc() || !whole || format == 0) {
        return fail(CommonError::corrupt, format_file(home).string() + " is not a format version");
    }
    return format;
}

Result<void> copy_aside(const Home& home, unsigned format) {
    const fs::path target = home.data.string() + ".format-" + std::to_string(format);
    std::error_code failed;
    fs::copy(home.data, target,
        fs::copy_options::recursive | fs::copy_options::copy_symlinks |
            fs::copy_options::skip_existing,
        failed);
    if (failed) {
        return fail(
            errno_error("copy " + home.data.string() + " to " + target.string(), failed.value()));
    }
    fs::permissions(target, fs::perms::owner_all, failed);
    return {};
}

}  // namespace

EnvironmentReader process_environment() {
    return [](const std::string& name) -> std::optional<std::string> {
        const char* value = std::getenv(name.c_str());
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
    };
}

std::string Home::describe() const { return root.empty() ? data.string() : root.string(); }

Result<Home> locate_home(const std::string& flag, const EnvironmentReader& environment) {
    std::string root = flag;
    if (root.empty()) {
        root = environment("DECLOUD_HOME").value_or("");
    }
    if (!root.empty()) {
        std::error_code failed;
        const fs::path path = fs::absolute(root, failed).lexically_normal();
        return Home{.config = path / "config",
            .data = path / "data",
            .state = path / "state",
            .cache = path / "cache",
            .root = path};
    }
    const std::string user = environment("HOME").value_or("");
    const auto folder = [&](const std::string& variable, std::string_view fallback) {
        const std::string set = environment(variable).value_or("");
        // The XDG specification has relative paths ignored.
        const fs::path base = set.starts_with('/') ? fs::path(set) : fs::path(user) / fallback;
        return base / "decloud";
    };
    Home home{.config = folder("XDG_CONFIG_HOME", ".config"),
        .data = folder("XDG_DATA_HOME", ".local/share"),
        .state = folder("XDG_STATE_HOME", ".local/state"),
        .cache = folder("XDG_CACHE_HOME", ".cache"),
        .root = {}};
    for (const fs::path& path : {home.config, home.data, home.state, home.cache}) {
        if (!path.is_absolute()) {
            return fail_with_help(ClientError::usage, "HOME is not set, so there is no home folder",
                "give one: --home DIR or DECLOUD_HOME=DIR");
        }
    }
    return home;
}

Result<void> open_home(const Home& home) { return open_home(home, kHomeFormat, {}); }

Result<void> open_home(
    const Home& home, unsigned current, std::span<const HomeMigration> migrations) {
    for (const fs::path& folder :
        {home.config, home.data, home.state, home.cache, home.keys(), home.secrets(),
            home.versions(), home.node(), home.chain(), home.logs(), home.wallets()}) {
        TRY_VOID(make_private_folder(folder));
    }
    TRY(const unsigned found, read_format(home));
    if (found == current) {
        return {};
    }
    if (found == 0) {
        return write_format(home, current);
    }
    if (found > current) {
        return fail(StoreError::newer_format,
            format_file(home).string() + " says format " + std::to_string(found) +
                ", this decloud knows formats up to " + std::to_string(current) +
                "\nhelp: use the newer decloud, or another home: --home DIR");
    }
    TRY_VOID(copy_aside(home, found));
    for (unsigned format = found; format < current; ++format) {
        for (const HomeMigration& migration : migrations) {
            if (migration.from == format) {
                TRY_VOID(migration.apply(home));
            }
        }
        TRY_VOID(write_format(home, format + 1));
    }
    return {};
}

}  // namespace decloud::client
