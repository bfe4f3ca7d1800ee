#pragma once

#include "../block_store.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/testing/temporary_folder.hpp>

#include <stdlib.h>

#include <filesystem>
#include <random>
#include <string>

namespace decloud::content::internal {

inline Bytes random_bytes(std::mt19937_64& random, std::size_t size) {
    Bytes out(size);
    for (auto& byte : out) {
        byte = static_cast<std::uint8_t>(random());
    }
    return out;
}

inline Block raw_block(BytesView data) {
    return {.cid = Cid::of(multiformats::Codec::raw, data), .data = to_bytes(data)};
}

inline Block raw_block(std::string_view text) { return raw_block(as_bytes(text)); }

}  // namespace decloud::content::internal
