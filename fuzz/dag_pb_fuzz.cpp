#include <decloud/multiformats/dag_pb.hpp>

#include <cstdlib>

using decloud::BytesView;
using decloud::multiformats::decode_pb;
using decloud::multiformats::encode_pb;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto node = decode_pb(BytesView(data, size));
    if (node && decode_pb(encode_pb(*node)) != *node) {
        std::abort();
    }
    return 0;
}
