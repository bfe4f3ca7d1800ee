#include "internal/content_stream.hpp"
#include "internal/content_target.hpp"
#include "verbs.hpp"

#include <decloud/client/error.hpp>
#include <decloud/client/http.hpp>
#include <decloud/content/block_store.hpp>
#include <decloud/content/car_transfer.hpp>
#include <decloud/content/reader.hpp>
#include <decloud/content/source_tree.hpp>
#include <decloud/ipfs/routed_fetch.hpp>
#include <decloud/multiformats/ipns_record.hpp>
#include <decloud/net/error.hpp>
#include <decloud/net/url.hpp>
#include <decloud/store/atomic_file.hpp>

#include <CLI/CLI.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <memory>

namespace decloud::cli {

namespace {

using internal::ask_node;
using internal::bring;
using internal::ContentPath;
using internal::OutputFile;
using internal::parse_path;
using internal::refuse_terminal;
using internal::ScratchStore;

struct ContentOptions {
    std::string target;
    std::string output;
    std::string pin = "user";
    std::vector<std::string> sources{};
    std::vector<std::string> routers{};
    std::string owner{};
    std::string reason{};
    std::uint32_t min_age = 3600;
    std::string key = "self";
    std::uint32_t lifetime = 48 * 3600;
    std::uint32_t ttl = 300;
};

using ContentVerb = Outcome (*)(const Context&, const ContentOptions&);
/// Adds a verb by name, help, what its target is (null: it has none) and what it does.
using VerbAdder = std::function<CLI::App*(const char*, const char*, const char*, ContentVerb)>;

/// Of a file the node gets the bytes alone, and hashes them; of a folder the blocks.
Outcome add_content(const Context& context, const ContentOptions& options) {
    TRY_VOID(refuse_terminal(options.target, "name the file"));
    std::error_code ignored;
    if (options.target == "-" || std::filesystem::symlink_status(options.target, ignored).type() ==
                                     std::filesystem::file_type::regular) {
        TRY(auto bytes, internal::file_source(options.target));
        return bring(context, [&](client::OperatorClient& node) {
            return node.add_file(options.pin, std::move(bytes));
        });
    }
    TRY(const auto tree, content::read_source_tree(options.target));
    return bring(context, [&](client::OperatorClient& node) {
        return node.import_content(
            options.pin, internal::car_source(tree->blocks(), tree->root().cid));
    });
}

/// What is not here may be elsewhere.
Error with_way_out(Error error, const multiformats::Cid& root) {
    if (error == make_error_code(net::NetError::connect_failed)) {
        return {
            error.code(), error.detail() + "; without one, --source URL fetches from a gateway"};
    }
    if (error != make_error_code(ClientError::not_found)) {
        return error;
    }
    return fail_with_help(ClientError::not_found, error.detail(),
        fmt::format("name a gateway that may have {}: --source URL, or a router: --router URL",
            root.to_string()))
        .error();
}

/// Brings everything under a root into `store`, verified.
async::Task<Result<void>> load(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    client::OperatorClient& node,
    multiformats::Cid root,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    content::BlockStore& store) {
    CO_TRY(const auto import,
        content::CarImport::begin(store, {.max_total_bytes = std::uint64_t{1} << 40U}));
    if (auto sent = co_await node.export_content(
            root.to_string(), [&import](BytesView bytes) { return import->write(bytes); });
        !sent) {
        co_return std::unexpected(with_way_out(std::move(sent.error()), root));
    }
    CO_TRY(const auto imported, import->finish());
    if (imported.roots != std::vector<multiformats::Cid>{root}) {
        co_return fail(CommonError::corrupt, "the node sent other content than was asked for");
    }
    co_return Result<void>{};
}

using ContentWork = std::function<Outcome(const content::BlockStore&, const multiformats::Cid&)>;

bool is_fetched(const ContentOptions& options) {
    return !options.sources.empty() || !options.routers.empty();
}

Result<std::vector<net::Url>> parse_urls(
    const std::vector<std::string>& texts, std::string_view what) {
    std::vector<net::Url> urls;
    for (const std::string& text : texts) {
        auto url = net::parse_url(text);
        if (!url) {
            return fail(ClientError::usage, fmt::format("\"{}\" is not a URL of a {}", text, what));
        }
        urls.push_back(std::move(*url));
    }
    return urls;
}

/// `work` on what gateways gave, verified.
Outcome with_fetched(const ContentOptions& options,
    const Workspace& workspace,
    const ContentPath& path,
    content::BlockStore& blocks,
    const ContentWork& work) {
    TRY(const auto gateways, parse_urls(options.sources, "gateway"));
    TRY(const auto routers, parse_urls(options.routers, "router"));
    net::OutboundPolicy policy;
    policy.allow_private = workspace.config.gateway.allow_local_providers;
    policy.allow_loopback = policy.allow_private;
    return run([&](async::Executor executor) {
        return with_http(executor, [&](net::http::Client& http) -> async::Task<Outcome> {
            net::http::Client strangers(co_await boost::asio::this_coro::executor, {}, policy);
            ipfs::Routers asked(http, routers);
            const auto result = co_await ipfs::fetch_from_places(
                {gateways, http, routers.empty() ? nullptr : &asked, strangers}, path.root,
                path.path, blocks);
            co_await strangers.stop();
            CO_TRY(const auto fetched, result);
            for (const std::string& dropped : fetched.dropped) {
                fmt::print(stderr, "asked no more: {}\n", dropped);
            }
            co_return work(blocks, fetched.end);
        });
    });
}

/// `work` on what a path names, whose blocks are in the store.
Outcome with_content(
    const Context& context, const ContentOptions& options, const ContentWork& work) {
    TRY(const ContentPath path, parse_path(options.target));
    TRY(const Workspace workspace, context.open());
    TRY(const auto scratch, ScratchStore::make(workspace.home.cache));
    if (is_fetched(options)) {
        return with_fetched(options, workspace, path, scratch->blocks(), work);
    }
    return ask_node(context, [&](client::OperatorClient& node) -> async::Task<Outcome> {
        CO_TRY_VOID(co_await load(node, path.root, scratch->blocks()));
        CO_TRY(const auto cid, content::resolve_path(scratch->blocks(), path.root, path.path));
        co_return work(scratch->blocks(), cid);
    });
}

Outcome write_file(const content::BlockStore& blocks, const multiformats::Cid& cid) {
    TRY(auto output, OutputFile::open({}));
    TRY(auto file, content::FileReader::open(blocks, cid));
    for (;;) {
        TRY(const Bytes bytes, file.next());
        if (bytes.empty()) {
            break;
        }
        TRY_VOID(output.write(bytes));
    }
    TRY_VOID(output.finish());
    return ExitCode::ok;
}

/// A whole file as it arrives from the node, which verifies every block.
Outcome stream_file(const Context& context, const multiformats::Cid& cid) {
    return ask_node(context, [&](client::OperatorClient& node) -> async::Task<Outcome> {
        CO_TRY(auto output, OutputFile::open({}));
        if (auto sent = co_await node.read_file(
                cid.to_string(), [&](BytesView bytes) { return output.write(bytes); });
            !sent) {
            co_return std::unexpected(with_way_out(std::move(sent.error()), cid));
        }
        CO_TRY_VOID(output.finish());
        co_return ExitCode::ok;
    });
}

Outcome cat(const Context& context, const ContentOptions& options) {
    TRY(const ContentPath path, parse_path(options.target));
    if (path.path.empty() && !is_fetched(options)) {
        return stream_file(context, path.root);
    }
    return with_content(context, options, write_file);
}

Outcome get(const Context& context, const ContentOptions& options) {
    TRY(const ContentPath path, parse_path(options.target));
    const std::string target = options.output.empty() ? path.root.to_string() : options.output;
    return with_content(context, options,
        [&](const content::BlockStore& blocks, const multiformats::Cid& cid) -> Outcome {
            TRY_VOID(content::export_tree(blocks, cid, target));
            context.print({{"path", target}}, target);
            return ExitCode::ok;
        });
}

std::string_view kind_name(content::NodeKind kind) {
    switch (kind) {
        case content::NodeKind::directory:
            return "folder";
        case content::NodeKind::symlink:
            return "link";
        case content::NodeKind::file:
            break;
    }
    return "file";
}

/// A name for a terminal: without what would steer it.
std::string shown(std::string_view name) { return fmt::format("{:?}", std::string(name)); }

Outcome list_folder(const Context& context, const ContentOptions& options) {
    return with_content(context, options,
        [&](const content::BlockStore& blocks, const multiformats::Cid& cid) -> Outcome {
            TRY(const auto entries, content::list_directory(blocks, cid));
            json::Array rows;
            std::string text;
            for (const content::DirectoryEntry& entry : entries) {
                TRY(const auto info, content::stat_node(blocks, entry.cid));
                rows.push_back(json::Object{{"name", entry.name}, {"cid", entry.cid.to_string()},
                    {"kind", kind_name(info.kind)}, {"bytes", info.size}});
                text += fmt::format("{:6}  {}  {}\n", kind_name(info.kind), entry.cid.to_string(),
                    shown(entry.name));
            }
            context.print({{"entries", std::move(rows)}}, text);
            return ExitCode::ok;
        });
}

Outcome stat(const Context& context, const ContentOptions& options) {
    return with_content(context, options,
        [&](const content::BlockStore& blocks, const multiformats::Cid& cid) -> Outcome {
            TRY(const auto info, content::stat_node(blocks, cid));
            const std::string_view kind = kind_name(info.kind);
            context.print({{"cid", cid.to_string()}, {"kind", kind}, {"bytes", info.size}},
                fmt::format("{}  {}  {} bytes", cid.to_string(), kind, info.size));
            return ExitCode::ok;
        });
}

Outcome keep_record(const Context& context, const ContentOptions& options) {
    TRY(Bytes record, store::read_file(options.output, multiformats::kMaxIpnsRecord));
    return ask_node(context, [&](client::OperatorClient& node) -> async::Task<Outcome> {
        CO_TRY(const json::Object answer,
            co_await node.keep_record(options.target, std::move(record)));
        context.print(answer, json::string_member(answer, "name").value_or(options.target));
        co_return ExitCode::ok;
    });
}

Outcome publish(const Context& context, const ContentOptions& options) {
    std::string value = options.target;
    if (!value.starts_with('/')) {
        TRY_VOID(parse_path(value));
        value.insert(0, "/ipfs/");
    }
    return ask_node(context, [&](client::OperatorClient& node) -> async::Task<Outcome> {
        CO_TRY(const json::Object answer,
            co_await node.publish_name(options.key, std::move(value),
                std::chrono::seconds(options.lifetime), std::chrono::seconds(options.ttl)));
        context.print(answer, json::string_member(answer, "name").value_or("?"));
        co_return ExitCode::ok;
    });
}

Outcome unpublish(const Context& context, const ContentOptions& options) {
    return ask_node(context, [&](client::OperatorClient& node) -> async::Task<Outcome> {
        CO_TRY(const json::Object answer, co_await node.withdraw_name(options.key));
        context.print(answer, options.key + " is renewed no more");
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

Outcome pin(const Context& context, const ContentOptions& options) {
    TRY(const ContentPath path, parse_path(options.target));
    return ask_node(context, [&](client::OperatorClient& node) -> async::Task<Outcome> {
        CO_TRY(const json::Object answer,
            co_await node.pin_content(path.root.to_string(), options.pin));
        context.print(answer, fmt::format("{}  {} blocks, {} bytes", path.root.to_string(),
                                  json::uint_member(answer, "blocks").value_or(0),
                                  json::uint_member(answer, "bytes").value_or(0)));
        co_return ExitCode::ok;
    });
}

Outcome unpin(const Context& context, const ContentOptions& options) {
    TRY(const ContentPath path, parse_path(options.target));
    return ask_node(context, [&](client::OperatorClient& node) -> async::Task<Outcome> {
        CO_TRY(const json::Object answer,
            co_await node.unpin_content(path.root.to_string(), options.owner, options.reason));
        context.print(answer, fmt::format("{}  {} pins removed", path.root.to_string(),
                                  json::uint_member(answer, "removed").value_or(0)));
        co_return ExitCode::ok;
    });
}

void warn_of_missing(const json::Object& answer) {
    const auto missing = json::array_member(answer, "missing");
    for (const json::Value& cid : missing ? *missing : json::Array{}) {
        fmt::print(stderr, "pinned, and damaged or missing: {}\n",
            std::string(cid.is_string() ? cid.get_string() : "?"));
    }
}

Outcome collect(const Context& context, const ContentOptions& options) {
    return ask_node(context, [&](client::OperatorClient& node) -> async::Task<Outcome> {
        CO_TRY(const json::Object answer,
            co_await node.collect_content(std::chrono::seconds(options.min_age)));
        warn_of_missing(answer);
        context.print(answer, fmt::format("removed {} blocks, {} bytes; {} bytes given back",
                                  json::uint_member(answer, "blocks").value_or(0),
                                  json::uint_member(answer, "bytes").value_or(0),
                                  json::uint_member(answer, "freed").value_or(0)));
        co_return ExitCode::ok;
    });
}

std::string damaged_lines(const json::Object& answer) {
    std::string text;
    const auto damaged = json::array_member(answer, "damaged");
    for (const json::Value& row : damaged ? *damaged : json::Array{}) {
        if (row.is_object()) {
            const auto segment = json::string_member(row.get_object(), "segment");
            text += fmt::format("damaged: {}  {}\n",
                json::string_member(row.get_object(), "cid").value_or("?"),
                segment ? fmt::format("{} at {}", *segment,
                              json::uint_member(row.get_object(), "offset").value_or(0))
                        : "in Kubo");
        }
    }
    return text;
}

Outcome verify(const Context& context, const ContentOptions&) {
    return ask_node(context, [&](client::OperatorClient& node) -> async::Task<Outcome> {
        CO_TRY(const json::Object answer, co_await node.verify_content());
        const std::uint64_t damaged = json::uint_member(answer, "damaged_blocks").value_or(0);
        context.print(answer,
            damaged_lines(answer) + fmt::format("{} blocks, {} bytes, {} damaged",
                                        json::uint_member(answer, "blocks").value_or(0),
                                        json::uint_member(answer, "bytes").value_or(0), damaged));
        if (damaged > 0) {
            fmt::print(stderr,
                "help: bring what is damaged again, such as by decloud content "
                "import\n");
        }
        co_return damaged == 0 ? ExitCode::ok : ExitCode::failure;
    });
}

void add_name_verbs(const VerbAdder& add, ContentOptions& options) {
    add("record", "Keep a signed IPNS record, so that /ipns/NAME leads where it says",
        "The IPNS name", keep_record)
        ->add_option(
            "file", options.output, "The record, as `ipfs routing get /ipns/NAME` gives it")
        ->required();
    CLI::App* const publish_verb =
        add("publish", "Have an IPNS name lead there, and keep it so; prints the name",
            "CID, with /path, or /ipns/NAME", publish);
    publish_verb
        ->add_option("--key", options.key, "The key whose name it is; made if it is missing")
        ->capture_default_str();
    publish_verb
        ->add_option("--lifetime", options.lifetime,
            "How long a record is valid; renewed when half of it is over")
        ->type_name("SECONDS")
        ->capture_default_str();
    publish_verb
        ->add_option("--ttl", options.ttl, "How long others may keep it without asking again")
        ->type_name("SECONDS")
        ->capture_default_str();
    add("unpublish", "Renew a name no more; what was signed stays valid until its end", nullptr,
        unpublish)
        ->add_option("--key", options.key, "The key whose name it is")
        ->capture_default_str();
}

void add_upkeep_verbs(const VerbAdder& add, ContentOptions& options) {
    add("pin", "Keep what your node holds under a cid", "CID", pin)
        ->add_option("--pin", options.pin, "Why it is kept")
        ->capture_default_str();
    CLI::App* const unpin_verb = add("unpin", "Keep it no longer", "CID", unpin);
    unpin_verb->add_option("--pin", options.reason, "Only what is kept for this reason");
    unpin_verb->add_option("--owner", options.owner, "On whose account it is kept; default: yours")
        ->type_name("ADDRESS");
    add("gc", "Remove what nothing pins", nullptr, collect)
        ->add_option("--min-age", options.min_age,
            "Only what came longer ago than this; 0 takes what is arriving, too")
        ->type_name("SECONDS")
        ->capture_default_str();
    (void)add("verify", "Read and hash every block; names what is damaged", nullptr, verify);
}

}  // namespace

void add_content_verbs(CLI::App& app, Context& context) {
    CLI::App* verb = app.add_subcommand("content", "Files and folders by content id, in your node");
    verb->require_subcommand(1);
    const auto options = std::make_shared<ContentOptions>();
    const VerbAdder add = [&](const char* name, const char* help, const char* what,
                              ContentVerb work) {
        CLI::App* inner = verb->add_subcommand(name, help);
        if (what != nullptr) {
            inner->add_option("target", options->target, what)->required();
        }
        inner->callback([&context, options, work] {
            context.action = [&context, options, work] { return work(context, *options); };
        });
        return inner;
    };
    const char* const cid = "CID, with /path";
    add("add", "Add a file or folder; prints its cid", "The file or folder; - is standard input",
        add_content)
        ->add_option("--pin", options->pin, "Why it is kept")
        ->capture_default_str();
    const auto add_sources = [&](CLI::App* inner) {
        inner
            ->add_option("--source", options->sources,
                "Fetch it from this trustless gateway instead of your node, and verify it; "
                "may be repeated, several are asked at once")
            ->type_name("URL");
        inner
            ->add_option("--router", options->routers,
                "Ask this delegated router which gateways have it, if no source gives it; may be "
                "repeated")
            ->type_name("URL");
        return inner;
    };
    (void)add_sources(add("cat", "Write a file to standard output", cid, cat));
    (void)add_sources(add("ls", "List a folder: kind, cid, name", cid, list_folder));
    (void)add_sources(add("stat", "Say what is there and how large it is", cid, stat));
    add_sources(add("get", "Write a file or folder to the disk", cid, get))
        ->add_option("-o,--output", options->output, "Where to; default: the cid")
        ->type_name("PATH");
    internal::add_car_verbs(*verb, context);
    add_name_verbs(add, *options);
    (void)add("list", "What the node keeps, and for whom", nullptr, list);
    add_upkeep_verbs(add, *options);
}

}  // namespace decloud::cli
