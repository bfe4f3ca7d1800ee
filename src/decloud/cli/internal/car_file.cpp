#include "car_file.hpp"

#include <decloud/base/units.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace decloud::cli::internal {

using multiformats::CarIndex;
using multiformats::CarReader;
using multiformats::Cid;
using multiformats::Multihash;

namespace {

constexpr std::size_t kMaxIndex = kGiB;

/// Where the sections are of which an index should speak.
using Sections = std::map<std::uint64_t, Multihash>;

CarIndexState judge(BytesView bytes, const Sections& sections) {
    const auto index = CarIndex::decode(bytes);
    if (!index) {
        return index.error() == make_error_code(CommonError::not_found)
                   ? CarIndexState::unknown_format
                   : CarIndexState::wrong;
    }
    std::set<Multihash> blocks;
    for (const auto& [offset, hash] : sections) {
        const auto found = index->find(Cid::v1(multiformats::Codec::raw, hash));
        const auto place = found ? sections.find(*found) : sections.end();
        if (place == sections.end() || place->second != hash) {
            return CarIndexState::wrong;
        }
        blocks.insert(hash);
    }
    return index->size() == blocks.size() ? CarIndexState::right : CarIndexState::wrong;
}

}  // namespace

struct IndexedCar::State {
    explicit State(OutputFile file)
        : output(std::move(file)),
          reader(
              {},
              [](std::vector<Cid>) { return Result<void>{}; },
              [this](const Cid& cid, BytesView) {
                  index.add(cid, reader.section_offset());
                  return Result<void>{};
              }) {}

    OutputFile output;
    CarIndex index;
    CarReader reader;
};

IndexedCar::IndexedCar(std::unique_ptr<State> state) : state_(std::move(state)) {}
IndexedCar::IndexedCar(IndexedCar&&) noexcept = default;
IndexedCar::~IndexedCar() = default;

Result<IndexedCar> IndexedCar::begin(OutputFile output) {
    auto state = std::make_unique<State>(std::move(output));
    // How long the data is comes to be known at the end.
    TRY_VOID(state->output.write(multiformats::encode_car_v2_start(0, true)));
    return IndexedCar(std::move(state));
}

Result<void> IndexedCar::write(BytesView bytes) {
    TRY_VOID(state_->reader.write(bytes));
    return state_->output.write(bytes);
}

Result<void> IndexedCar::finish() {
    TRY_VOID(state_->reader.finish());
    TRY_VOID(state_->output.write(state_->index.encode()));
    TRY_VOID(state_->output.write_first(
        multiformats::encode_car_v2_start(state_->reader.total_bytes(), true)));
    return state_->output.finish();
}

std::string_view name_of(CarIndexState state) {
    switch (state) {
        case CarIndexState::unknown_format:
            return "of an unknown format";
        case CarIndexState::wrong:
            return "wrong";
        case CarIndexState::right:
            return "right";
        case CarIndexState::none:
            break;
    }
    return "none";
}

Result<CarSummary> inspect_car(const std::string& path) {
    TRY(const InputFile file, InputFile::open(path));
    CarSummary summary;
    Sections sections;
    std::set<Cid> missing;
    std::optional<CarReader> reader;
    reader.emplace(
        multiformats::CarReaderLimits{.max_index = kMaxIndex},
        [&](std::vector<Cid> roots) -> Result<void> {
            missing.insert(roots.begin(), roots.end());
            summary.roots = std::move(roots);
            return {};
        },
        [&](const Cid& cid, BytesView) -> Result<void> {
            missing.erase(cid);
            if (cid.hash().code() != multiformats::HashCode::identity) {
                sections.emplace(reader->section_offset(), cid.hash());
            }
            return {};
        });
    Bytes buffer(kMiB);
    for (;;) {
        TRY(const std::size_t count, file.read(buffer));
        if (count == 0) {
            break;
        }
        TRY_VOID(reader->write(BytesView(buffer).first(count)));
    }
    TRY_VOID(reader->finish());
    summary.missing_roots.assign(missing.begin(), missing.end());
    summary.blocks = reader->blocks();
    summary.bytes = reader->total_bytes();
    if (const auto& header = reader->v2_header()) {
        summary.version = 2;
        if (header->index_offset != 0) {
            summary.index = judge(reader->index(), sections);
        }
    }
    return summary;
}

}  // namespace decloud::cli::internal
