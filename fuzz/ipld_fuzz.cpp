#include <decloud/multiformats/ipld.hpp>

#include <algorithm>
#include <cstdlib>

using decloud::BytesView;
using decloud::multiformats::decode_dag_cbor;
using decloud::multiformats::decode_dag_json;
using decloud::multiformats::encode_dag_cbor;
using decloud::multiformats::encode_dag_json;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const BytesView input(data, size);
    if (const auto value = decode_dag_cbor(input)) {
        if (!std::ranges::equal(encode_dag_cbor(*value), input)) {
            std::abort();
        }
    }
    if (const auto value = decode_dag_json(input)) {
        // Decimal fractions are only read nearly, so that the text may differ a second time.
        const auto again = decode_dag_json(decloud::as_bytes(encode_dag_json(*value)));
        if (again && ipld_links(*again) != ipld_links(*value)) {
            std::abort();
        }
    }
    return 0;
}
