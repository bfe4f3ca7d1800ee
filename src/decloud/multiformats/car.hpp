#pragma once

#include "cid.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

namespace decloud::multiformats {

/// The header of a CARv1 file with these roots.
[[nodiscard]] Bytes encode_car_header(std::span<const Cid> roots);
/// One section: length, cid, data.
void append_car_section(Bytes& out, const Cid& cid, BytesView data);
/// What stands before the data of `bytes` bytes: length, cid.
[[nodiscard]] Bytes car_section_prefix(const Cid& cid, std::size_t bytes);

/// How much of a stranger's file is taken. Sizes in bytes.
struct CarReaderLimits {
    std::size_t max_header = std::size_t{64} << 10U;
    std::size_t max_roots = 1024;
    std::size_t max_block = kMaxBlock;
    std::uint64_t max_total_bytes = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t max_blocks = std::numeric_limits<std::uint64_t>::max();
    /// False: the block handler verifies the hashes itself.
    bool verify = true;
};

/// Reads a CARv1 file as it arrives, holding at most one section, and verifies the hash of every
/// block. Not thread safe. After an error every further call fails.
class CarReader {
  public:
    /// Called once, before any block.
    using RootsHandler = std::function<Result<void>(std::vector<Cid> roots)>;
    /// Called for each block; the view ends with the call.
    using BlockHandler = std::function<Result<void>(const Cid& cid, BytesView data)>;

    /// The handlers are called from `write` and may end it with an error.
    CarReader(CarReaderLimits limits, RootsHandler on_roots, BlockHandler on_block);

    /// The next bytes, any number. Errors: invalid_input, limit_exceeded, corrupt naming the cid
    /// whose bytes are wrong; the handlers'.
    [[nodiscard]] Result<void> write(BytesView bytes);
    /// No more bytes come. Error: invalid_input if the file ends inside its header or a section.
    [[nodiscard]] Result<void> finish();

    /// Bytes of the file so far, header and framing included; blocks so far.
    [[nodiscard]] std::uint64_t total_bytes() const { return total_; }
    [[nodiscard]] std::uint64_t blocks() const { return blocks_; }

  private:
    [[nodiscard]] Result<void> consume();
    [[nodiscard]] Result<void> take_section(BytesView section);

    CarReaderLimits limits_;
    RootsHandler on_roots_;
    BlockHandler on_block_;
    Bytes buffer_;
    bool header_read_ = false;
    bool failed_ = false;
    std::uint64_t total_ = 0;
    std::uint64_t blocks_ = 0;
};

}  // namespace decloud::multiformats
