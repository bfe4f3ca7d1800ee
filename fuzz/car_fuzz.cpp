#include <decloud/content/car_transfer.hpp>

#include <algorithm>
#include <cstdlib>

using decloud::BytesView;
using decloud::content::car_export;
using decloud::content::car_import;
using decloud::content::CarImport;
using decloud::content::make_memory_block_store;

namespace {

void check(bool holds) {
    if (!holds) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const auto store = make_memory_block_store();
    const auto import = CarImport::begin(
        *store, {.max_total_bytes = 100'000, .max_depth = 8, .max_blocks = 100, .max_roots = 8});
    check(import.has_value());
    // The first byte says into what pieces the rest is cut: they must not matter.
    const std::size_t piece = data[0] + std::size_t{1};
    const BytesView car(data + 1, size - 1);
    bool accepted = true;
    for (BytesView rest = car; accepted && !rest.empty();) {
        const BytesView part = rest.first(std::min(piece, rest.size()));
        accepted = (*import)->write(part).has_value();
        rest = rest.subspan(part.size());
    }
    if (!accepted) {
        check(store->bytes_used() == 0);
        return 0;
    }
    const auto imported = (*import)->finish();
    check(imported ? imported->bytes == store->bytes_used() : store->bytes_used() == 0);
    if (imported) {
        const auto exported = car_export(*store, imported->roots, std::uint64_t{1} << 30U);
        check(exported.has_value());
        const auto again = make_memory_block_store();
        check(car_import(*again, *exported, {.max_depth = 8}).has_value());
        check(again->bytes_used() == store->bytes_used());
    }
    return 0;
}
