#include "disk_store.hpp"
#include "testing/store_suite.hpp"

namespace decloud::content {
namespace {

class OpenDisk final : public testing::OpenStore {
  public:
    OpenDisk(std::unique_ptr<DiskBlockStore> blocks, std::unique_ptr<Pins> pins)
        : blocks_(std::move(blocks)), pins_(std::move(pins)) {}
    ManagedBlockStore& blocks() override { return *blocks_; }
    Pins& pins() override { return *pins_; }

  private:
    std::unique_ptr<DiskBlockStore> blocks_;
    std::unique_ptr<Pins> pins_;
};

testing::StoreKind disk(std::string name, DiskStoreOptions options) {
    return {std::move(name),
        [options](const std::filesystem::path& folder,
            const Clock& clock) -> std::unique_ptr<testing::OpenStore> {
            DiskStoreOptions own = options;
            own.clock = &clock;
            return std::make_unique<OpenDisk>(open_disk_store(folder / "blocks", own).value(),
                open_pins(folder / "pins.sqlite").value());
        }};
}

}  // namespace

namespace testing {
INSTANTIATE_TEST_SUITE_P(Engines,
    StoreSuite,
    ::testing::Values(disk("disk", {}),
        disk("disk_in_small_segments", {.segment_bytes = 1000, .staging_memory = 100})),
    kind_name);
}  // namespace testing
}  // namespace decloud::content
