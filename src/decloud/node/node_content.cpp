#include "node_content.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/offload.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>
#include <decloud/content/car_transfer.hpp>
#include <decloud/content/importer.hpp>
#include <decloud/content/reader.hpp>
#include <decloud/pipeline/pipeline.hpp>

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>
#include <utility>

namespace decloud::node {

namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20U;
/// More than this does not make one disk faster.
constexpr unsigned kMostHashingThreads = 4;
/// For one piece on a disk that is busy.
constexpr std::chrono::minutes kWriteLimit{5};

async::Task<void> send_json(net::http::Exchange exchange, json::Object body) {
    net::http::ResponseHead head;
    head.headers.add("Content-Type", "application/json");
    (void)co_await exchange.send(std::move(head), json::to_text(body) + "\n");
}

/// The operator asks, who may know what a stranger is not told.
protocol::Problem own_problem(const Error& error) {
    auto problem = protocol::problem_from(error);
    problem.detail = error.message();
    return problem;
}

std::unexpected<protocol::Problem> refuse_car(const Error& error) {
    auto problem = services::car_problem(error);
    return std::unexpected(problem.http_status < 500 ? std::move(problem) : own_problem(error));
}

std::size_t hashing_threads() {
    return std::min(std::max(std::thread::hardware_concurrency(), 1U), kMostHashingThreads);
}

/// Takes a piece of a file, on a thread of the pool.
using PieceSink = std::function<Result<void>(BytesView)>;

/// Writes one piece of a file while the next one arrives. Single threaded; `finish` before it ends.
class PieceWriter {
  public:
    PieceWriter(async::Executor executor, boost::asio::thread_pool& pool, PieceSink sink)
        : pool_(pool), sink_(std::move(sink)), idle_(executor), tasks_(std::move(executor)) {
        idle_.set();
    }

    /// Takes the bytes in front of `piece` and gives back a buffer to fill. Errors: those of the
    /// pieces before.
    async::Task<Result<void>> take(Bytes* piece, std::size_t size) {
        CO_TRY_VOID(co_await settle());
        piece_.swap(*piece);
        piece->resize(kPieceBytes);
        idle_.reset();
        tasks_.spawn(write(size));
        co_return Result<void>{};
    }

    /// Waits for what is under way.
    async::Task<Result<void>> finish() {
        co_await tasks_.join();
        co_return std::move(status_);
    }

  private:
    async::Task<Result<void>> settle() {
        CO_TRY_VOID(co_await idle_.wait(kWriteLimit));
        co_return status_;
    }

    async::Task<void> write(std::size_t size) {
        status_ = co_await async::offload(
            pool_, [this, size] { return sink_(BytesView(piece_).first(size)); });
        idle_.set();
    }

    boost::asio::thread_pool& pool_;
    PieceSink sink_;
    Bytes piece_;
    Result<void> status_;
    async::Event idle_;
    async::TaskGroup tasks_;
};

/// The next bytes of a body: as many as there is room for, fewer only at its end.
async::Task<Result<std::size_t>> read_piece(
    net::http::Exchange* exchange, std::span<std::uint8_t> room) {
    std::size_t size = 0;
    while (size < room.size()) {
        CO_TRY(const std::size_t count, co_await exchange->read(room.subspan(size)));
        if (count == 0) {
            break;
        }
        size += count;
    }
    co_return size;
}

async::Task<Result<void>> receive_pieces(
    net::http::Exchange* exchange, boost::asio::thread_pool* pool, PieceSink sink) {
    // The writer is awaited whatever happens.
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    PieceWriter writer(co_await boost::asio::this_coro::executor, *pool, std::move(sink));
    Bytes buffer(kPieceBytes);
    Result<void> status;
    while (status) {
        const auto count = co_await read_piece(exchange, buffer);
        if (!count) {
            status = fail(count.error());
        } else if (*count == 0) {
            break;
        } else {
            status = co_await writer.take(&buffer, *count);
        }
    }
    auto written = co_await writer.finish();
    co_await boost::asio::this_coro::throw_if_cancelled(true);
    co_return status ? std::move(written) : std::move(status);
}

async::Task<protocol::Checked<content::CarImported>> receive_car(
    net::http::Exchange& exchange, services::ContentContext& context, bool incomplete) {
    content::CarLimits limits{.max_total_bytes = std::uint64_t{1} << 40U,
        .allow_held = true,
        .allow_incomplete = incomplete,
        .hashing_threads = hashing_threads()};
    // What the operator brings is for everybody.
    limits.before_commit = [&context](const auto&, const auto& received, const auto&) {
        return context.private_blocks->publish(received);
    };
    auto begun = co_await async::offload(context.pool,
        [&context, &limits] { return content::CarImport::begin(context.blocks, limits); });
    if (!begun) {
        co_return refuse_car(begun.error());
    }
    const std::unique_ptr<content::CarImport> import = std::move(*begun);
    if (auto received = co_await receive_pieces(
            &exchange, &context.pool, [&import](BytesView piece) { return import->write(piece); });
        !received) {
        co_return refuse_car(received.error());
    }
    auto finished = co_await async::offload(context.pool, [&import] { return import->finish(); });
    if (!finished && finished.error() == make_error_code(CommonError::corrupt)) {
        // The file's own blocks were checked when they came: it is one that was here already.
        co_return std::unexpected(own_problem(finished.error()));
    }
    if (!finished) {
        co_return refuse_car(finished.error());
    }
    co_return std::move(*finished);
}

/// A file from its bytes, as a CAR of it would have been.
async::Task<protocol::Checked<content::CarImported>> receive_file(
    net::http::Exchange& exchange, services::ContentContext& context) {
    content::ImportOptions options{.hashing_threads = hashing_threads()};
    options.before_commit = [&context](
                                const auto& cids) { return context.private_blocks->publish(cids); };
    auto begun = co_await async::offload(context.pool,
        [&context, &options] { return content::FileImport::begin(context.blocks, options); });
    if (!begun) {
        co_return refuse_car(begun.error());
    }
    content::FileImport file = std::move(*begun);
    if (auto received = co_await receive_pieces(
            &exchange, &context.pool, [&file](BytesView piece) { return file.write(piece); });
        !received) {
        co_return refuse_car(received.error());
    }
    const auto entry = co_await async::offload(context.pool, [&file] { return file.finish(); });
    if (!entry) {
        co_return refuse_car(entry.error());
    }
    co_return content::CarImported{
        .roots = {entry->cid}, .blocks = file.blocks(), .bytes = file.bytes()};
}

/// Pins what was brought, unless it is incomplete, and tells what it was, or why it was not taken.
async::Task<void> keep_imported(net::http::Exchange exchange,
    services::ContentContext& context,
    protocol::Checked<content::CarImported> checked,
    std::string reason,
    bool incomplete) {
    if (!checked) {
        co_await pipeline::Pipeline::send_problem(std::move(exchange), std::move(checked.error()));
        co_return;
    }
    const content::CarImported imported = std::move(*checked);
    const auto pinned = co_await async::offload(context.pool, [&, incomplete]() -> Result<void> {
        // A pin whose tree has a hole would keep everything.
        if (incomplete) {
            return {};
        }
        std::uint64_t bytes = imported.bytes;
        for (const content::Cid& root : imported.roots) {
            TRY_VOID(context.pins.pin({.root = root,
                .owner = "operator",
                .reason = reason.empty() ? "user" : reason,
                .bytes = std::exchange(bytes, 0),
                .created = context.clock.unix_seconds(),
                .expires = {}}));
        }
        return {};
    });
    if (!pinned) {
        co_await pipeline::Pipeline::send_problem(std::move(exchange), own_problem(pinned.error()));
        co_return;
    }
    json::Array roots;
    for (const content::Cid& root : imported.roots) {
        roots.emplace_back(root.to_string());
    }
    json::Object body;
    body["roots"] = std::move(roots);
    body["blocks"] = imported.blocks;
    body["bytes"] = imported.bytes;
    co_await send_json(std::move(exchange), std::move(body));
}

}  // namespace

std::string query_value(std::string_view query, std::string_view name) {
    while (!query.empty()) {
        const std::size_t end = query.find('&');
        const std::string_view part = query.substr(0, end);
        query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
        if (part.substr(0, part.find('=')) == name && part.size() > name.size()) {
            return percent_decode(part.substr(name.size() + 1)).value_or(std::string());
        }
    }
    return {};
}

async::Task<void> import_content(net::http::Exchange exchange, services::ContentContext& context) {
    std::string reason = query_value(exchange.request().query(), "pin");
    const bool incomplete = query_value(exchange.request().query(), "incomplete") == "true";
    auto imported = co_await receive_car(exchange, context, incomplete);
    co_await keep_imported(
        std::move(exchange), context, std::move(imported), std::move(reason), incomplete);
}

async::Task<void> add_file(net::http::Exchange exchange, services::ContentContext& context) {
    std::string reason = query_value(exchange.request().query(), "pin");
    auto imported = co_await receive_file(exchange, context);
    co_await keep_imported(
        std::move(exchange), context, std::move(imported), std::move(reason), false);
}

async::Task<void> export_content(net::http::Exchange exchange, services::ContentContext& context) {
    const auto cid = content::Cid::parse(query_value(exchange.request().query(), "cid"));
    if (!cid) {
        co_await pipeline::Pipeline::send_problem(
            std::move(exchange), protocol::problem_from(cid.error()));
        co_return;
    }
    content::CarExport car(context.blocks, {*cid});
    const auto held = co_await async::offload(
        context.pool, [&context, &cid] { return content::require_block(context.blocks, *cid); });
    if (!held) {
        co_await pipeline::Pipeline::send_problem(std::move(exchange), own_problem(held.error()));
        co_return;
    }
    net::http::ResponseHead head;
    head.headers.add("Content-Type", "application/vnd.ipld.car; version=1");
    if (!co_await exchange.start(std::move(head))) {
        co_return;
    }
    for (;;) {
        const auto section = co_await async::offload(context.pool, [&car] { return car.next(); });
        if (!section) {
            exchange.abort();
            co_return;
        }
        const std::optional<Bytes>& bytes = *section;
        if (!bytes) {
            break;
        }
        if (!co_await exchange.write(*bytes)) {
            co_return;
        }
    }
    (void)co_await exchange.finish();
}

async::Task<void> send_file(net::http::Exchange exchange, services::ContentContext& context) {
    const auto cid = content::Cid::parse(query_value(exchange.request().query(), "cid"));
    if (!cid) {
        co_await pipeline::Pipeline::send_problem(
            std::move(exchange), protocol::problem_from(cid.error()));
        co_return;
    }
    auto file = co_await async::offload(
        context.pool, [&context, &cid] { return content::FileReader::open(context.blocks, *cid); });
    if (!file) {
        protocol::Problem problem = own_problem(file.error());
        if (file.error() == make_error_code(CommonError::invalid_input)) {
            problem.help = "decloud content ls CID shows what is in a folder";
        }
        co_await pipeline::Pipeline::send_problem(std::move(exchange), std::move(problem));
        co_return;
    }
    net::http::ResponseHead head;
    head.headers.add("Content-Type", "application/octet-stream");
    std::uint64_t left = file->size();
    head.headers.add("Content-Length", std::to_string(left));
    if (!co_await exchange.start(std::move(head))) {
        co_return;
    }
    while (left > 0) {
        const auto piece = co_await async::offload(context.pool, [&file] { return file->next(); });
        if (!piece || piece->empty() || piece->size() > left) {
            exchange.abort();
            co_return;
        }
        left -= piece->size();
        if (!co_await exchange.write(*piece)) {
            co_return;
        }
    }
    (void)co_await exchange.finish();
}

async::Task<void> list_content(net::http::Exchange exchange, services::ContentContext& context) {
    const auto pins =
        co_await async::offload(context.pool, [&context] { return context.pins.list(); });
    if (!pins) {
        co_await pipeline::Pipeline::send_problem(
            std::move(exchange), protocol::problem_from(pins.error()));
        co_return;
    }
    json::Array list;
    for (const content::Pin& pin : *pins) {
        json::Object entry;
        entry["root"] = pin.root.to_string();
        entry["owner"] = pin.owner;
        entry["reason"] = pin.reason;
        entry["bytes"] = pin.bytes;
        entry["created"] = pin.created.value;
        if (pin.expires) {
            entry["expires"] = pin.expires->value;
        }
        list.emplace_back(std::move(entry));
    }
    json::Object body;
    body["pins"] = std::move(list);
    co_await send_json(std::move(exchange), std::move(body));
}

}  // namespace decloud::node
