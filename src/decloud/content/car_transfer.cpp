#include "car_transfer.hpp"

#include "internal/ordered_workers.hpp"

#include <decloud/multiformats/dag_pb.hpp>
#include <decloud/multiformats/ipld.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace decloud::content {

namespace {

using multiformats::CarReader;
using multiformats::Codec;
using multiformats::HashCode;

bool is_inline(const Cid& cid) { return cid.hash().code() == HashCode::identity; }

/// Of a codec that has no links, whatever the bytes are.
bool is_leaf(const Cid& cid) {
    return cid.codec() == Codec::raw || cid.codec() == Codec::json ||
           cid.codec() == multiformats::kCborCodec;
}

/// Follows links through received blocks and finds what is missing or too deep.
class Completeness {
  public:
    Completeness(const BlockStore& store, const StagedBlocks& staged, const CarLimits& limits)
        : store_(store), staged_(staged), limits_(limits) {}

    /// Errors: not_found naming the missing block, limit_exceeded, invalid_input.
    Result<void> walk(const Cid& root) {
        std::vector<Open> path;
        TRY_VOID(enter(path, root));
        while (!path.empty()) {
            Open& top = path.back();
            if (top.next < top.links.size()) {
                const Cid child = top.links[top.next++];
                TRY_VOID(enter(path, child));
                continue;
            }
            const std::size_t height = top.height;
            heights_.emplace(top.cid, height);
            path.pop_back();
            if (!path.empty()) {
                path.back().height = std::max(path.back().height, height + 1);
            }
        }
        return {};
    }

    /// Blocks that the file itself does not have.
    [[nodiscard]] const std::vector<Cid>& held() const { return held_; }
    [[nodiscard]] bool reached(const Cid& cid) const { return reached_.contains(cid.to_v1()); }

  private:
    struct Open {
        Cid cid;
        std::vector<Cid> links;
        std::size_t next = 0;
        std::size_t height = 0;
    };

    Result<void> enter(std::vector<Open>& path, const Cid& cid) {
        const auto known = heights_.find(cid);
        const std::size_t below = known == heights_.end() ? 0 : known->second;
        if (path.size() + below > limits_.max_depth) {
            return fail(CommonError::limit_exceeded,
                fmt::format("CAR: block {} is more than {} links below its root", cid.to_string(),
                    limits_.max_depth));
        }
        if (known != heights_.end()) {
            if (!path.empty()) {
                path.back().height = std::max(path.back().height, below + 1);
            }
            return {};
        }
        reached_.insert(cid.to_v1());
        if (is_leaf(cid) && staged_.has(cid)) {
            heights_.emplace(cid, 0);
            if (!path.empty()) {
                path.back().height = std::max<std::size_t>(path.back().height, 1);
            }
            return {};
        }
        TRY(const Bytes data, load(path, cid));
        TRY(std::vector<Cid> links, block_links(cid, data));
        path.push_back({.cid = cid, .links = std::move(links), .next = 0, .height = 0});
        return {};
    }

    Result<Bytes> load(const std::vector<Open>& path, const Cid& cid) {
        if (is_inline(cid)) {
            return to_bytes(cid.hash().digest());
        }
        TRY(std::optional<Bytes> data, staged_.get(cid));
        if (!data && limits_.allow_held) {
            TRY(data, store_.get(cid));
            if (data) {
                held_.push_back(cid);
            }
        }
        if (!data) {
            return fail(CommonError::not_found,
                fmt::format("CAR: block {} is missing, {}", cid.to_string(),
                    path.empty() ? "a root" : "linked from " + path.back().cid.to_string()));
        }
        return std::move(*data);
    }

    const BlockStore& store_;
    const StagedBlocks& staged_;
    const CarLimits& limits_;
    std::unordered_map<Cid, std::size_t> heights_;
    std::unordered_set<Cid> reached_;
    std::vector<Cid> held_;
};

}  // namespace

Result<std::vector<Cid>> block_links(const Cid& cid, BytesView data) {
    switch (cid.codec()) {
        case Codec::raw:
        case Codec::json:
        case multiformats::kCborCodec:
            return std::vector<Cid>{};
        case Codec::dag_cbor:
        case Codec::dag_json: {
            auto value = cid.codec() == Codec::dag_cbor ? multiformats::decode_dag_cbor(data)
                                                        : multiformats::decode_dag_json(data);
            if (!value) {
                return fail(value.error().within("block " + cid.to_string()));
            }
            return multiformats::ipld_links(*value);
        }
        case Codec::dag_pb: {
            auto node = multiformats::decode_pb(data);
            if (!node) {
                return fail(node.error().within("block " + cid.to_string()));
            }
            std::vector<Cid> out;
            out.reserve(node->links.size());
            for (multiformats::PbLink& link : node->links) {
                out.push_back(std::move(link.cid));
            }
            return out;
        }
        default:
            return fail(CommonError::invalid_input,
                fmt::format("block {}: codec {:#x} is not known here", cid.to_string(),
                    static_cast<std::uint64_t>(cid.codec())));
    }
}

struct CarImport::State {
    struct Received {
        std::optional<Cid> cid;
        Bytes data;
    };

    State(BlockStore& target, std::unique_ptr<StagedBlocks> blocks, const CarLimits& allowed)
        : store(target),
          staged(std::move(blocks)),
          limits(allowed),
          reader(
              {.max_roots = allowed.max_roots,
                  .max_block = allowed.max_block,
                  .max_total_bytes = allowed.max_total_bytes,
                  .max_blocks = allowed.max_blocks,
                  .verify = allowed.hashing_threads == 0},
              [this](std::vector<Cid> found) {
                  roots = std::move(found);
                  return Result<void>{};
              },
              [this](const Cid& cid, BytesView data) { return take(cid, data); }),
          blocks(
              allowed.hashing_threads,
              [](Received& block) { return block.cid->verify(block.data); },
              [this](Received& block) { return keep(*block.cid, block.data); }) {}

    Result<void> take(const Cid& cid, BytesView data) {
        if (limits.hashing_threads == 0) {
            return keep(cid, data);
        }
        Received block = blocks.make();
        block.cid = cid;
        block.data.assign(data.begin(), data.end());
        return blocks.add(std::move(block), data.size());
    }
    Result<void> keep(const Cid& cid, BytesView data) {
        if (!is_inline(cid)) {
            received.insert(cid.to_v1());
        }
        return staged->put_verified(cid, data);
    }

    BlockStore& store;
    std::unique_ptr<StagedBlocks> staged;
    CarLimits limits;
    std::vector<Cid> roots;
    std::unordered_set<Cid> received;
    CarReader reader;
    internal::OrderedWorkers<Received> blocks;
};

CarImport::CarImport(std::unique_ptr<State> state) : state_(std::move(state)) {}
CarImport::~CarImport() = default;

Result<std::unique_ptr<CarImport>> CarImport::begin(BlockStore& store, CarLimits limits) {
    TRY(std::unique_ptr<StagedBlocks> staged, store.stage());
    return std::unique_ptr<CarImport>(
        new CarImport(std::make_unique<State>(store, std::move(staged), limits)));
}

Result<void> CarImport::write(BytesView bytes) { return state_->reader.write(bytes); }

Result<CarImported> CarImport::finish() {
    State& state = *state_;
    TRY_VOID(state.reader.finish());
    TRY_VOID(state.blocks.finish());
    if (state.roots.empty()) {
        return fail(CommonError::invalid_input, "CAR: it has no root");
    }
    Completeness completeness(state.store, *state.staged, state.limits);
    for (const Cid& root : state.roots) {
        if (!state.limits.allow_incomplete) {
            TRY_VOID(completeness.walk(root));
        }
    }
    if (!state.limits.allow_unreachable && !state.limits.allow_incomplete) {
        for (const Cid& cid : state.received) {
            if (!completeness.reached(cid)) {
                return fail(CommonError::invalid_input,
                    fmt::format("CAR: no root leads to block {}", cid.to_string()));
            }
        }
    }
    CarImported imported{.roots = std::move(state.roots),
        .blocks = state.received.size(),
        .bytes = state.staged->bytes()};
    TRY_VOID(state.store.refresh(completeness.held()));
    if (state.limits.before_commit) {
        TRY_VOID(state.limits.before_commit(imported.roots, state.received, *state.staged));
    }
    TRY_VOID(state.staged->commit());
    return imported;
}

Result<CarImported> car_import(BlockStore& store, BytesView car, const CarLimits& limits) {
    TRY(const std::unique_ptr<CarImport> import, CarImport::begin(store, limits));
    TRY_VOID(import->write(car));
    return import->finish();
}

CarExport::CarExport(const BlockStore& store, std::vector<Cid> roots)
    : store_(&store), roots_(std::move(roots)), pending_(roots_.rbegin(), roots_.rend()) {}

Result<std::optional<Bytes>> CarExport::next() {
    if (!header_sent_) {
        header_sent_ = true;
        return multiformats::encode_car_header(roots_);
    }
    while (!pending_.empty()) {
        const Cid cid = std::move(pending_.back());
        pending_.pop_back();
        if (is_inline(cid) || !sent_.insert(cid).second) {
            continue;
        }
        TRY(const Bytes data, require_block(*store_, cid));
        TRY(const std::vector<Cid> links, block_links(cid, data));
        pending_.insert(pending_.end(), links.rbegin(), links.rend());
        Bytes section;
        multiformats::append_car_section(section, cid, data);
        return section;
    }
    return std::nullopt;
}

Result<Bytes> car_export(const BlockStore& store, std::vector<Cid> roots, std::uint64_t max_bytes) {
    CarExport parts(store, std::move(roots));
    Bytes out;
    for (;;) {
        TRY(const std::optional<Bytes> part, parts.next());
        if (!part) {
            return out;
        }
        if (part->size() > max_bytes - out.size()) {
            return fail(
                CommonError::limit_exceeded, fmt::format("a CAR of more than {} bytes", max_bytes));
        }
        append(out, BytesView(*part));
    }
}

}  // namespace decloud::content
