#include "verbs.hpp"

#include <decloud/client/error.hpp>
#include <decloud/client/http.hpp>
#include <decloud/content/block_store.hpp>
#include <decloud/content/car_transfer.hpp>
#include <decloud/content/importer.hpp>
#include <decloud/content/reader.hpp>
#include <decloud/store/atomic_file.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdio>
#include <memory>

namespace decloud::cli {

namespace {

constexpr std::uint64_t kMaxCar = std::uint64_t{4} << 30U;

struct ContentOptions {
    std::string target;
    std::string output;
    std::string pin = "user";
};

Outcome ask_node(
    const Context& context, std::function<async::Task<Outcome>(client::OperatorClient&)> work) {
    TRY(const Workspace workspace, context.open());
    return run([&](async::Executor executor) {
        return with_http(executor, [&](net::http::Client& http) -> async::Task<Outcome> {
            client::OperatorClient node(http, workspace.home.operator_socket().string());
            co_return co_await work(node);
        });
    });
}

Outcome import_car(const Context& context, const ContentOptions& options, Bytes car) {
    return ask_node(context, [&](client::OperatorClient& node) -> async::Task<Outcome> {
        CO_TRY(json::Object answer, co_await node.import_content(options.pin, std::move(car)));
        CO_TRY(const json::Array roots, json::array_member(answer, "roots"));
        std::string text;
        for (const json::Value& root : roots) {
            text += std::string(root.is_string() ? root.get_string() : "") + "\n";
        }
        if (!roots.empty()) {
            answer["cid"] = roots.front();
        }
        context.print(answer, text);
        co_return ExitCode::ok;
    });
}

Outcome add_content(const Context& context, const ContentOptions& options) {
    const auto store = content::make_memory_block_store();
    TRY(const auto entry, content::import_path(*store, options.target));
    TRY(Bytes car, content::car_export(*store, {entry.cid}, kMaxCar));
    return import_car(context, options, std::move(car));
}

Outcome import_file(const Context& context, const ContentOptions& options) {
    TRY(Bytes car, read_input(options.target, kMaxCar, "name the CAR file"));
    return import_car(context, options, std::move(car));
}

Result<void> write_output(const std::string& path, BytesView bytes) {
    if (!path.empty() && path != "-") {
        return store::write_file_atomically(path, bytes, 0644);
    }
    if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size() ||
        std::fflush(stdout) != 0) {
        return fail(errno_error("write standard output"));
    }
    return {};
}

/// "CID", "CID/path" or "/ipfs/CID/path".
struct ContentPath {
    multiformats::Cid root;
    std::string path;
};
Result<ContentPath> parse_path(std::string text) {
    if (text.starts_with("/ipfs/")) {
        text.erase(0, 6);
    }
    const std::size_t end = std::min(text.find('/'), text.size());
    auto cid = multiformats::Cid::parse(text.substr(0, end));
    if (!cid) {
        return fail(ClientError::usage, "\"" + text.substr(0, end) + "\" is not a content id");
    }
    return ContentPath{.root = std::move(*cid), .path = text.substr(end)};
}

/// Everything under a root, verified, in memory.
async::Task<Result<std::unique_ptr<content::BlockStore>>> load(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    client::OperatorClient& node,
    multiformats::Cid root) {
    CO_TRY(const Bytes car, co_await node.export_content(root.to_string(), kMaxCar));
    auto store = content::make_memory_block_store();
    CO_TRY(const auto imported, content::car_import(*store, car, {.max_total_bytes = kMaxCar}));
    if (imported.roots != std::vector<multiformats::Cid>{root}) {
        co_return fail(CommonError::corrupt, "the node sent other content than was asked for");
    }
    co_return store;
}

Outcome cat(const Context& context, const ContentOptions& options) {
    TRY(const ContentPath path, parse_path(options.target));
    return ask_node(context, [&](client::OperatorClient& node) -> async::Task<Outcome> {
        CO_TRY(const auto store, co_await load(node, path.root));
        CO_TRY(const auto cid, content::resolve_path(*store, path.root, path.path));
        CO_TRY(const Bytes bytes, content::read_file(*store, cid, kMaxCar));
        CO_TRY_VOID(write_output({}, bytes));
        co_return ExitCode::ok;
    });
}

Outcome get(const Context& context, const ContentOptions& options) {
    TRY(const ContentPath path, parse_path(options.target));
    const std::string target = options.output.empty() ? path.root.to_string() : options.output;
    return ask_node(context, [&](client::OperatorClient& node) -> async::Task<Outcome> {
        CO_TRY(const auto store, co_await load(node, path.root));
        CO_TRY(const auto cid, content::resolve_path(*store, path.root, path.path));
        CO_TRY_VOID(content::export_tree(*store, cid, target));
        context.print({{"path", target}}, target);
        co_return ExitCode::ok;
    });
}

Outcome export_file(const Context& context, const ContentOptions& options) {
    TRY(const ContentPath path, parse_path(options.target));
    return ask_node(context, [&](client::OperatorClient& node) -> async::Task<Outcome> {
        CO_TRY(const Bytes car, co_await node.export_content(path.root.to_string(), kMaxCar));
        CO_TRY_VOID(write_output(options.output, car));
        co_return ExitCode::ok;
    });
}

Outcome list(const Context& context, const ContentOptions&) {
    return ask_node(context, [&](client::OperatorClient& node) -> async::Task<Outcome> {
        CO_TRY(const json::Object answer, co_await node.list_content());
        std::string text;
        const auto pins = json::array_member(answer, "pins");
        for (const json::Value& row : pins ? *pins : json::Array{}) {
            if (row.is_object()) {
                text += fmt::format("{}  {} bytes  {}\n",
                    json::string_member(row.get_object(), "root").value_or("?"),
                    json::uint_member(row.get_object(), "bytes").value_or(0),
                    json::string_member(row.get_object(), "owner").value_or("?"));
            }
        }
        context.print(answer, text);
        co_return ExitCode::ok;
    });
}

}  // namespace

void add_content_verbs(CLI::App& app, Context& context) {
    CLI::App* verb = app.add_subcommand("content", "Files and folders by content id, in your node");
    verb->require_subcommand(1);
    const auto options = std::make_shared<ContentOptions>();
    const auto add = [&](const char* name, const char* help, const char* what, auto work) {
        CLI::App* inner = verb->add_subcommand(name, help);
        if (what != nullptr) {
            inner->add_option("target", options->target, what)->required();
        }
        inner->callback([&context, options, work] {
            context.action = [&context, options, work] { return work(context, *options); };
        });
        return inner;
    };
    const char* const kCid = "CID, with /path";
    add("add", "Add a file or folder; prints its cid", "The file or folder", add_content)
        ->add_option("--pin", options->pin, "Why it is kept")
        ->capture_default_str();
    (void)add("cat", "Write a file to standard output", kCid, cat);
    add("get", "Write a file or folder to the disk", kCid, get)
        ->add_option("-o,--output", options->output, "Where to; default: the cid")
        ->type_name("PATH");
    add("import", "Add what a CAR file holds", "The CAR file; - is standard input", import_file)
        ->add_option("--pin", options->pin, "Why it is kept")
        ->capture_default_str();
    add("export", "Write everything under a cid as a CAR file", "CID", export_file)
        ->add_option("-o,--output", options->output, "Where to; default: standard output")
        ->type_name("FILE");
    (void)add("list", "What the node keeps, and for whom", nullptr, list);
}

}  // namespace decloud::cli
