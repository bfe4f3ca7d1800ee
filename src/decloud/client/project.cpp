#include "project.hpp"

#include "error.hpp"
#include "internal/toml_reader.hpp"
#include "internal/variables.hpp"

#include <decloud/multiformats/cid.hpp>
#include <decloud/store/atomic_file.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace decloud::client {

namespace fs = std::filesystem;

namespace {

using internal::TomlReader;

constexpr std::uint64_t kMaxProjectBytes = 256 * 1024;
constexpr std::array<std::string_view, 5> kRuntimes{
    "wasm", "native", "server", "oci", kAutomaticRuntime};
constexpr std::uint64_t kMostConcurrency = 1000;
constexpr auto kLongestRun = std::chrono::hours(24);

struct Unit {
    std::string_view suffix;
    std::uint64_t factor;
};

Result<std::uint64_t> parse_with_unit(
    std::string_view text, std::span<const Unit> units, std::string_view example) {
    std::uint64_t number = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view suffix(end, static_cast<std::size_t>(text.data() + text.size() - end));
    const auto unit = std::ranges::find(units, suffix, &Unit::suffix);
    if (problem != std::errc() || unit == units.end() ||
        number > std::numeric_limits<std::int64_t>::max() / unit->factor) {
        return fail(CommonError::invalid_input, "\"" + std::string(text) +
                                                    "\" is not understood; write it like " +
                                                    std::string(example));
    }
    return number * unit->factor;
}

Result<void> read_size(TomlReader& reader, std::string_view key, std::uint64_t& out) {
    return reader.parsed(key, [&](const std::string& text) -> Result<void> {
        TRY(out, parse_size(text));
        return {};
    });
}

Result<void> read_limits(TomlReader& reader, protocol::FunctionLimits& limits) {
    TRY_VOID(reader.parsed("wall", [&](const std::string& text) -> Result<void> {
        TRY(limits.wall, parse_duration(text));
        if (limits.wall.count() == 0 || limits.wall > kLongestRun) {
            return fail(CommonError::invalid_input, "must be between 1ms and 24h");
        }
        return {};
    }));
    TRY_VOID(read_size(reader, "memory", limits.memory_bytes));
    TRY_VOID(read_size(reader, "request", limits.request_bytes));
    TRY_VOID(read_size(reader, "response", limits.response_bytes));
    TRY_VOID(read_size(reader, "tmp", limits.tmp_bytes));
    return reader.number("processes", limits.processes);
}

Result<void> read_server(TomlReader& reader, protocol::FunctionServer& server) {
    TRY_VOID(reader.number("concurrency", server.concurrency));
    if (server.concurrency == 0 || server.concurrency > kMostConcurrency) {
        return reader.wrong("concurrency", "is between 1 and 1000");
    }
    return reader.parsed("idle", [&](const std::string& text) -> Result<void> {
        TRY(server.idle, parse_duration(text));
        if (server.idle.count() == 0 || server.idle > kLongestRun) {
            return fail(CommonError::invalid_input, "must be between 1ms and 24h");
        }
        return {};
    });
}

Result<void> read_owner_pays(TomlReader& reader, protocol::OwnerPays& terms) {
    using Callers = protocol::OwnerPays::Callers;
    if (reader.is_text("callers")) {
        TRY_VOID(reader.parsed("callers", [&](const std::string& word) -> Result<void> {
            if (word != "any" && word != "none") {
                return fail(CommonError::invalid_input, "is \"any\", \"none\" or a list");
            }
            terms.callers = word == "any" ? Callers::any : Callers::none;
            return {};
        }));
    } else if (reader.has("callers")) {
        terms.callers = Callers::list;
        TRY_VOID(reader.texts("callers", terms.listed));
    }
    const auto optional = [&](std::string_view key,
                              std::optional<std::uint64_t>& out) -> Result<void> {
        if (reader.has(key)) {
            std::uint64_t value = 0;
            TRY_VOID(reader.number(key, value));
            out = value;
        }
        return {};
    };
    TRY_VOID(optional("perCaller", terms.per_caller));
    TRY_VOID(reader.number("perDay", terms.per_day));
    return optional("total", terms.total);
}

Result<void> check_inside(const fs::path& path) {
    const bool climbs =
        std::ranges::any_of(path, [](const fs::path& part) { return part == ".."; });
    if (path.empty() || path.is_absolute() || climbs) {
        return fail(CommonError::invalid_input, "must be a path within the project");
    }
    return {};
}

Result<void> read_what_runs(TomlReader& reader, Project& project) {
    protocol::FunctionManifest& manifest = project.manifest;
    manifest.runtime = kAutomaticRuntime;
    for (const std::string_view key : {"name", "entry"}) {
        if (!reader.has(key)) {
            return reader.wrong(key, "is missing");
        }
    }
    TRY_VOID(reader.parsed("name", [&](const std::string& text) -> Result<void> {
        manifest.name = text;
        return internal::check_function_name(text);
    }));
    TRY_VOID(reader.parsed("runtime", [&](const std::string& text) -> Result<void> {
        manifest.runtime = text;
        return std::ranges::find(kRuntimes, text) != kRuntimes.end()
                   ? Result<void>{}
                   : fail(CommonError::invalid_input,
                         "is \"wasm\", \"native\", \"server\", \"oci\" or \"auto\"");
    }));
    TRY_VOID(reader.parsed("entry", [&](const std::string& text) -> Result<void> {
        manifest.entry = fs::path(text).lexically_normal().string();
        return check_inside(text);
    }));
    TRY_VOID(reader.parsed("output", [&](const std::string& text) -> Result<void> {
        using protocol::OutputMode;
        if (text != "auto" && text != "cgi" && text != "raw") {
            return fail(CommonError::invalid_input, "is \"auto\", \"cgi\" or \"raw\"");
        }
        manifest.output = text == "auto"  ? OutputMode::automatic
                          : text == "cgi" ? OutputMode::cgi
                                          : OutputMode::raw;
        return {};
    }));
    TRY_VOID(reader.section(
        "limits", [&](TomlReader& inner) { return read_limits(inner, manifest.limits); }));
    if (manifest.runtime == "server" || (manifest.runtime == "oci" && reader.has("server"))) {
        manifest.server.emplace();
        TRY_VOID(reader.section(
            "server", [&](TomlReader& inner) { return read_server(inner, *manifest.server); }));
    }
    std::vector<std::string> hosts;
    TRY_VOID(reader.texts("egress", hosts));
    if (auto rules = net::parse_host_rules(hosts)) {
        manifest.egress = std::move(*rules);
    } else {
        return reader.wrong("egress", rules.error().detail());
    }
    return reader.section("environment", [&](TomlReader& inner) {
        return inner.all_texts(
            [&](const std::string& key, const std::string& value) -> Result<void> {
                TRY_VOID(internal::check_variable(key, value));
                project.environment.emplace_back(key, value);
                return {};
            });
    });
}

Result<void> read_terms(TomlReader& reader, Project& project) {
    TRY_VOID(reader.parsed("price", [&](const std::string& text) -> Result<void> {
        TRY(project.price, parse_usdc(text));
        return {};
    }));
    TRY_VOID(reader.texts("providers", project.providers));
    TRY_VOID(reader.text("account", project.account));
    TRY_VOID(reader.parsed("terms", [&](const std::string& text) -> Result<void> {
        TRY(const multiformats::Cid cid, multiformats::Cid::parse(text));
        project.terms = cid.to_string();
        return {};
    }));
    return reader.section(
        "ownerPays", [&](TomlReader& inner) { return read_owner_pays(inner, project.owner_pays); });
}

}  // namespace

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
    static constexpr std::array<Unit, 4> kUnits{
        {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};
    TRY(const std::uint64_t value, parse_with_unit(text, kUnits, "500ms, 15s, 2m or 1h"));
    return std::chrono::milliseconds(value);
}

Result<std::uint64_t> parse_size(std::string_view text) {
    static constexpr std::array<Unit, 4> kUnits{
        {{"", 1}, {"KiB", kKiB}, {"MiB", kMiB}, {"GiB", kGiB}}};
    return parse_with_unit(text, kUnits, "512, 64KiB, 10MiB or 1GiB");
}

Result<Project> parse_project(std::string_view text, const fs::path& folder) {
    const std::string source = (folder / kProjectFile).lexically_normal().string();
    TRY(const toml::table table, internal::parse_toml(text, source));
    TomlReader reader(table, source);
    Project project;
    project.folder = folder;
    TRY_VOID(read_what_runs(reader, project));
    TRY_VOID(reader.text("build", project.build));
    TRY_VOID(reader.parsed("root", [&](const std::string& path) -> Result<void> {
        project.root = fs::path(path).lexically_normal();
        return check_inside(path);
    }));
    TRY_VOID(reader.texts("include", project.include));
    for (const std::string& pattern : project.include) {
        if (auto inside = check_inside(pattern); !inside) {
            return reader.wrong("include", "\"" + pattern + "\" " + inside.error().detail());
        }
    }
    TRY_VOID(read_terms(reader, project));
    TRY_VOID(reader.finish());
    std::ranges::sort(project.environment);
    return project;
}

Result<Project> load_project(const fs::path& folder) {
    const fs::path file = folder / kProjectFile;
    auto text = store::read_file(file, kMaxProjectBytes);
    if (!text && text.error() == make_error_code(CommonError::not_found)) {
        return fail_with_help(ClientError::not_found, file.string() + " does not exist",
            "decloud init NAME makes a project; decloud deploy DIR names its folder");
    }
    if (!text) {
        return fail(std::move(text.error()));
    }
    return parse_project(as_text(*text), folder);
}

}  // namespace decloud::client
