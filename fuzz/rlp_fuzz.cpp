#include <decloud/chain/rlp.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

// There is one encoding of each item: what is accepted comes back byte for byte.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const decloud::BytesView input(data, size);
    const auto item = decloud::chain::rlp::decode(input);
    if (item && !std::ranges::equal(decloud::chain::rlp::encode(*item), input)) {
        std::abort();
    }
    return 0;
}
