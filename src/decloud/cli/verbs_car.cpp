#include "internal/car_file.hpp"
#include "internal/content_stream.hpp"
#include "internal/content_target.hpp"

#include <decloud/client/error.hpp>
#include <decloud/content/car_transfer.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace decloud::cli::internal {

namespace {

struct CarOptions {
    std::string target;
    std::string output;
    std::string pin = "user";
    bool incomplete = false;
    unsigned car_version = 1;
};

Outcome import_file(const Context& context, const CarOptions& options) {
    TRY_VOID(refuse_terminal(options.target, "name the CAR file"));
    TRY(auto car, file_source(options.target));
    return bring(context, [&](client::OperatorClient& node) {
        return node.import_content(options.pin, std::move(car), options.incomplete);
    });
}

/// `sink` has `write` and `finish`.
template <class Sink>
async::Task<Outcome> export_to(client::OperatorClient* node, std::string cid, Sink sink) {
    CO_TRY_VOID(co_await node->export_content(
        std::move(cid), [&sink](BytesView bytes) { return sink.write(bytes); }));
    CO_TRY_VOID(sink.finish());
    co_return ExitCode::ok;
}

Outcome export_file(const Context& context, const CarOptions& options) {
    TRY(const ContentPath path, parse_path(options.target));
    if (options.car_version == 2 && (options.output.empty() || options.output == "-")) {
        return fail_with_help(ClientError::usage,
            "CARv2 needs a file: what it begins with is known at its end", "add -o FILE");
    }
    return ask_node(context, [&](client::OperatorClient& node) -> async::Task<Outcome> {
        CO_TRY(auto output, OutputFile::open(options.output));
        if (options.car_version == 2) {
            CO_TRY(auto car, IndexedCar::begin(std::move(output)));
            co_return co_await export_to(&node, path.root.to_string(), std::move(car));
        }
        co_return co_await export_to(&node, path.root.to_string(), std::move(output));
    });
}

Outcome inspect(const Context& context, const CarOptions& options) {
    TRY_VOID(refuse_terminal(options.target, "name the CAR file"));
    TRY(const CarSummary car, inspect_car(options.target));
    json::Array roots;
    std::string text =
        fmt::format("CARv{}, {} blocks, {} bytes, every block is what its cid says\n", car.version,
            car.blocks, car.bytes);
    for (const multiformats::Cid& root : car.roots) {
        roots.emplace_back(root.to_string());
        const bool is_missing =
            std::ranges::find(car.missing_roots, root) != car.missing_roots.end();
        text += fmt::format("root {}{}\n", root.to_string(), is_missing ? " (not in it)" : "");
    }
    const std::string_view index = name_of(car.index);
    context.print(
        {{"version", car.version}, {"roots", roots}, {"blocks", car.blocks}, {"bytes", car.bytes},
            {"missing_roots", car.missing_roots.size()}, {"index", index}},
        text + fmt::format("index: {}\n", index));
    return car.index == CarIndexState::wrong ? ExitCode::failure : ExitCode::ok;
}

}  // namespace

void add_car_verbs(CLI::App& content, Context& context) {
    const auto options = std::make_shared<CarOptions>();
    const auto add = [&](const char* name, const char* help, const char* what,
                         Outcome (*work)(const Context&, const CarOptions&)) {
        CLI::App* inner = content.add_subcommand(name, help);
        inner->add_option("target", options->target, what)->required();
        inner->callback([&context, options, work] {
            context.action = [&context, options, work] { return work(context, *options); };
        });
        return inner;
    };
    CLI::App* const import = add(
        "import", "Add what a CAR file holds", "The CAR file; - is standard input", import_file);
    import->add_option("--pin", options->pin, "Why it is kept")->capture_default_str();
    import->add_flag("--incomplete", options->incomplete,
        "Take the blocks as they are, whatever is missing; they are not pinned");
    CLI::App* const export_verb =
        add("export", "Write everything under a cid as a CAR file", "CID", export_file);
    export_verb->add_option("-o,--output", options->output, "Where to; default: standard output")
        ->type_name("FILE");
    export_verb
        ->add_option("--car-version", options->car_version,
            "1, or 2: with an index of the blocks, into a file only")
        ->check(CLI::Range(1, 2))
        ->capture_default_str();
    (void)add("inspect", "Read a CAR file, hash every block and check its index",
        "The CAR file; - is standard input", inspect);
}

}  // namespace decloud::cli::internal
