#include <decloud/sandbox/server/http_message.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>

using decloud::Bytes;
using decloud::BytesView;
using decloud::sandbox::server::AnswerReader;

/// The first byte is how the rest is cut up; the result must not depend on it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) {
        return 0;
    }
    const BytesView answer(data + 1, size - 1);
    const std::size_t step = data[0] % 16 + 1;
    constexpr std::array kAsked{AnswerReader::Asked::any, AnswerReader::Asked::head,
        AnswerReader::Asked::upgrade, AnswerReader::Asked::any};
    AnswerReader whole(kAsked.at(data[0] >> 6));
    AnswerReader pieces(kAsked.at(data[0] >> 6));
    Bytes at_once;
    Bytes bit_by_bit;
    const bool good = whole.feed(answer, at_once).has_value();
    bool also_good = true;
    for (std::size_t at = 0; at < answer.size() && also_good; at += step) {
        const BytesView piece = answer.subspan(at, std::min(step, answer.size() - at));
        also_good = pieces.feed(piece, bit_by_bit).has_value();
    }
    if (good != also_good ||
        (good && (at_once != bit_by_bit || whole.complete() != pieces.complete()))) {
        std::abort();
    }
    return 0;
}
