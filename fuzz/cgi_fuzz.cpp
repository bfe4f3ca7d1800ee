#include <decloud/sandbox/cgi.hpp>

#include <algorithm>
#include <cstdlib>

using decloud::Bytes;
using decloud::BytesView;
using decloud::sandbox::CgiParser;

/// The first byte chooses how the rest is cut; whatever the pieces, head and body must be the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::size_t step = data[0] % 64 + 1U;
    const BytesView text(data + 1, size - 1);

    CgiParser whole;
    whole.feed(text);
    whole.finish();
    const Bytes body = whole.take_body();
    if (whole.head() == nullptr || (!whole.head()->from_program && body.size() != text.size())) {
        std::abort();
    }

    CgiParser pieces;
    Bytes collected;
    for (std::size_t i = 0; i < text.size(); i += step) {
        pieces.feed(text.subspan(i, std::min(step, text.size() - i)));
        decloud::append(collected, pieces.take_body());
    }
    pieces.finish();
    decloud::append(collected, pieces.take_body());
    if (pieces.head() == nullptr || pieces.head()->status != whole.head()->status ||
        pieces.head()->from_program != whole.head()->from_program || collected != body) {
        std::abort();
    }
    return 0;
}
