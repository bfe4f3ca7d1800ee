#include "verbs.hpp"

#include <decloud/client/deployments.hpp>
#include <decloud/client/error.hpp>
#include <decloud/client/http.hpp>
#include <decloud/services/declared/service_file.hpp>
#include <decloud/store/atomic_file.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace decloud::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMaxFileBytes = 256 * kKiB;

struct ServiceOptions {
    std::string folder;
    std::string deployment;
    std::string name;
};

/// The home's provider, whose services these are.
Result<std::string> provider_of(const Workspace& workspace) {
    if (workspace.config.provider.name.empty()) {
        return fail_with_help(ClientError::usage, "this home is not set up to sell anything",
            "decloud provider register NAME, or decloud up for a whole local cloud");
    }
    return workspace.config.provider.name;
}

fs::path file_of(const Workspace& workspace, const std::string& name) {
    return workspace.home.config / "services" / (name + ".toml");
}

/// `DIR` or the file itself.
fs::path source_of(const std::string& folder) {
    const fs::path path(folder);
    return fs::is_directory(path) ? path / "service.toml" : path;
}

struct Source {
    std::string text;
    services::ServiceFile file;
};

Result<Source> read_source(const Workspace& workspace, const ServiceOptions& options) {
    const fs::path path = source_of(options.folder);
    TRY(const Bytes bytes, store::read_file(path, kMaxFileBytes));
    TRY(const std::string provider, provider_of(workspace));
    Source source{.text = std::string(as_text(bytes)), .file = {}};
    if (!options.deployment.empty()) {
        TRY(const auto known, client::Deployments::load(workspace.home.deployments_file()));
        std::string cid = options.deployment;
        if (const auto match = known.resolve(options.deployment)) {
            cid = match->version.cid;
        }
        source.text = fmt::format("deployment = \"{}\"\n{}", cid, source.text);
    }
    auto parsed = services::parse_service_file(source.text, path.string(), provider);
    if (!parsed) {
        return fail_with_help(ClientError::usage, parsed.error().detail(),
            "a folder with a function: decloud deploy DIR, then decloud service add DIR "
            "--deployment NAME");
    }
    source.file = std::move(*parsed);
    return source;
}

json::Object to_json(const services::ServiceFile& file) {
    json::Array methods;
    for (const auto& method : file.methods) {
        methods.emplace_back(method.name);
    }
    const auto* url = std::get_if<net::Url>(&file.backend);
    return {{"name", file.name}, {"summary", file.summary}, {"methods", std::move(methods)},
        {"backend", url != nullptr ? url->to_string()
                                   : std::get<multiformats::Cid>(file.backend).to_string()}};
}

/// Has the node read the folder again; says what it did not take. A node that does not run reads it
/// when it starts.
Outcome reload(const Workspace& workspace) {
    return run([&](async::Executor executor) {
        return with_http(executor, [&](net::http::Client& http) -> async::Task<Outcome> {
            client::OperatorClient node(http, workspace.home.operator_socket().string());
            if (!co_await node.reachable()) {
                tell("the node does not run; it has this service when it starts");
                co_return ExitCode::ok;
            }
            CO_TRY(const json::Object answer, co_await node.reload_services());
            const auto errors = json::array_member(answer, "errors");
            for (const auto& error : errors ? *errors : json::Array()) {
                tell(std::string_view(error.as_string()));
            }
            co_return errors && errors->empty() ? ExitCode::ok : ExitCode::failure;
        });
    });
}

Outcome check(const Context& context, const ServiceOptions& options) {
    TRY(const Workspace workspace, context.open());
    TRY(const Source source, read_source(workspace, options));
    context.print(to_json(source.file), fmt::format("{} is fine\n", source.file.name));
    return ExitCode::ok;
}

Outcome add(const Context& context, const ServiceOptions& options) {
    TRY(const Workspace workspace, context.open());
    TRY(const Source source, read_source(workspace, options));
    const fs::path file = file_of(workspace, source.file.name);
    std::error_code failed;
    fs::create_directories(file.parent_path(), failed);
    if (failed) {
        return fail(errno_error("make " + file.parent_path().string(), failed.value()));
    }
    TRY_VOID(store::write_file_atomically(file, as_bytes(source.text)));
    TRY(const ExitCode done, reload(workspace));
    context.print(
        to_json(source.file), fmt::format("{} is served at {}/oc/v1/{}\n", source.file.name,
                                  workspace.config.provider.public_url, source.file.name));
    return done;
}

Outcome list(const Context& context, const ServiceOptions&) {
    TRY(const Workspace workspace, context.open());
    TRY(const std::string provider, provider_of(workspace));
    std::vector<fs::path> files;
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator(workspace.home.config / "services", missing)) {
        if (entry.path().extension() == ".toml") {
            files.push_back(entry.path());
        }
    }
    std::ranges::sort(files);
    json::Array rows;
    std::string text;
    for (const fs::path& file : files) {
        TRY(const Bytes bytes, store::read_file(file, kMaxFileBytes));
        const auto parsed = services::parse_service_file(as_text(bytes), file.string(), provider);
        if (!parsed) {
            tell(parsed.error().detail());
            continue;
        }
        json::Object row = to_json(*parsed);
        text += fmt::format("{}  {}  {}\n", parsed->name,
            std::string_view(row["backend"].as_string()), parsed->summary);
        rows.emplace_back(std::move(row));
    }
    context.print(
        {{"services", std::move(rows)}}, text.empty() ? "no services were added\n" : text);
    return ExitCode::ok;
}

Outcome remove(const Context& context, const ServiceOptions& options) {
    TRY(const Workspace workspace, context.open());
    // A name is a file's name.
    if (options.name.find('/') != std::string::npos ||
        !fs::exists(file_of(workspace, options.name))) {
        return fail_with_help(ClientError::not_found, "no service " + options.name + " was added",
            "decloud service list shows what was");
    }
    std::error_code failed;
    fs::remove(file_of(workspace, options.name), failed);
    if (failed) {
        return fail(errno_error("remove " + options.name, failed.value()));
    }
    TRY(const ExitCode done, reload(workspace));
    context.print(
        {{"removed", options.name}}, fmt::format("{} is no longer served\n", options.name));
    return done;
}

}  // namespace

void add_service_verbs(CLI::App& app, Context& context) {
    CLI::App* verb =
        app.add_subcommand("service", "Services that this node offers besides its own");
    verb->require_subcommand(1);
    const auto options = std::make_shared<ServiceOptions>();
    const auto make = [&](const char* name, const char* help, auto work) {
        CLI::App* inner = verb->add_subcommand(name, help);
        inner->callback([&context, options, work] {
            context.action = [&context, options, work] { return work(context, *options); };
        });
        return inner;
    };
    const auto with_folder = [&](CLI::App* inner) {
        inner->add_option("dir", options->folder, "A folder with service.toml, or the file")
            ->required()
            ->type_name("DIR");
        inner
            ->add_option("--deployment", options->deployment,
                "The deployment that answers: its name in this home, or its cid")
            ->type_name("NAME|CID");
    };
    with_folder(make("add", "Serve what a service.toml describes, from now on", add));
    with_folder(make("check", "Say what is wrong with a service.toml", check));
    (void)make("list", "What was added", list);
    make("remove", "Serve it no more", remove)
        ->add_option("name", options->name, "The service's name")
        ->required();
}

}  // namespace decloud::cli
