#include "engine.hpp"

#include "internal/index.hpp"

#include <decloud/base/log.hpp>

#include <utility>

namespace decloud::kubo {

Engine::Engine(ApiSettings settings,
    std::unique_ptr<internal::Index> index,
    content::ManagedBlockStore& embedded,
    content::Pins& pins,
    const content::PrivateBlocks& private_blocks,
    const Clock& clock)
    : api_(std::move(settings)),
      index_(std::move(index)),
      blocks_(api_, *index_, embedded, private_blocks, clock),
      pins_(api_, *index_, embedded, blocks_, pins) {}

Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::open(ApiSettings settings,
    const std::filesystem::path& file,
    content::ManagedBlockStore& embedded,
    content::Pins& pins,
    const content::PrivateBlocks& private_blocks,
    const Clock& clock) {
    TRY(auto index, internal::Index::open(file));
    return std::unique_ptr<Engine>(
        new Engine(std::move(settings), std::move(index), embedded, pins, private_blocks, clock));
}

Result<void> Engine::check() {
    const auto version = api_.version();
    if (!version && version.error() == make_error_code(CommonError::unavailable)) {
        log::error("kubo", "{}; until then what is kept there is not found, and nothing is added",
            version.error().detail());
        return {};
    }
    if (!version) {
        return fail(version.error());
    }
    log::info("kubo", "Kubo {} keeps public content", *version);
    if (const auto unsynced = api_.is_unsynced(); unsynced && *unsynced) {
        log::warning("kubo",
            "Kubo acknowledges blocks before they are on its disk, so that a power cut may take "
            "what was added last: set \"sync\": true for flatfs in its Datastore.Spec");
    }
    return {};
}

Result<bool> has_blocks(const std::filesystem::path& file) {
    if (!std::filesystem::exists(file)) {
        return false;
    }
    TRY(const auto index, internal::Index::open(file));
    TRY(const auto first, index->list({}, 1));
    return !first.empty();
}

}  // namespace decloud::kubo
