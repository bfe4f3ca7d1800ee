#pragma once

#include "api.hpp"
#include "kubo_pins.hpp"
#include "kubo_store.hpp"

#include <decloud/base/clock.hpp>
#include <decloud/content/managed_block_store.hpp>
#include <decloud/content/pins.hpp>
#include <decloud/content/private_blocks.hpp>

#include <filesystem>
#include <memory>

namespace decloud::kubo {

/// A Kubo node as the engine of a node's public content, beside the embedded store.
class Engine {
  public:
    /// `file` is made if it is missing: what was put into Kubo. All but the settings outlive this.
    /// Kubo is not asked yet. Errors: as `store::Database::open`.
    [[nodiscard]] static Result<std::unique_ptr<Engine>> open(ApiSettings settings,
        const std::filesystem::path& file,
        content::ManagedBlockStore& embedded,
        content::Pins& pins,
        const content::PrivateBlocks& private_blocks,
        const Clock& clock);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    /// Asks Kubo who it is, and tells the log. No error where it does not answer, which the log
    /// tells with what to do. Errors are the operator's to mend: permission_denied, or
    /// invalid_input where something else answers.
    [[nodiscard]] Result<void> check();

    /// Live as long as this.
    [[nodiscard]] KuboBlockStore& blocks() { return blocks_; }
    [[nodiscard]] KuboPins& pins() { return pins_; }
    [[nodiscard]] Api& api() { return api_; }

  private:
    Engine(ApiSettings settings,
        std::unique_ptr<internal::Index> index,
        content::ManagedBlockStore& embedded,
        content::Pins& pins,
        const content::PrivateBlocks& private_blocks,
        const Clock& clock);

    Api api_;
    std::unique_ptr<internal::Index> index_;
    KuboBlockStore blocks_;
    KuboPins pins_;
};

/// True if `file`, of an `Engine` that is not used now, names blocks that are in Kubo: content that
/// is not found without it. False if there is no such file.
[[nodiscard]] Result<bool> has_blocks(const std::filesystem::path& file);

}  // namespace decloud::kubo
