#include <decloud/multiformats/car_v2.hpp>

#include <cstdlib>

using decloud::BytesView;
using decloud::multiformats::CarIndex;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto index = CarIndex::decode(BytesView(data, size));
    // Without functions (0x0400) it cannot be written again.
    if (!index || data[0] != 0x81) {
        return 0;
    }
    const auto again = CarIndex::decode(index->encode());
    if (!again || again->size() != index->size() || again->encode() != index->encode()) {
        std::abort();
    }
    return 0;
}
