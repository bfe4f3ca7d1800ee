#include <decloud/multiformats/cid.hpp>

#include <algorithm>
#include <cstdlib>

using decloud::BytesView;
using decloud::multiformats::Cid;
using decloud::multiformats::Multibase;

namespace {

void check(bool holds) {
    if (!holds) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const BytesView input(data, size);
    if (const auto cid = Cid::from_bytes(input)) {
        check(std::ranges::equal(cid->to_bytes(), input));
        check(Cid::parse(cid->to_string()) == *cid);
        check(Cid::parse(cid->to_string(Multibase::base36)) == cid->to_v1());
    }
    if (const auto cid = Cid::parse(decloud::as_text(input))) {
        check(Cid::from_bytes(cid->to_bytes()) == *cid);
        check(Cid::parse(cid->to_string()) == *cid);
    }
    return 0;
}
