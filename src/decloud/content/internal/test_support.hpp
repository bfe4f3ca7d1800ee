#pragma once

#include "../block_store.hpp"

#include <decloud/base/bytes.hpp>

#include <stdlib.h>

#include <filesystem>
#include <random>
#include <string>

namespace decloud::content::internal {

/// A folder of a test's own, removed with it.
class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "decloud-content-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

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
