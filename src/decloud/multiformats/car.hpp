#pragma once

#include "car_v2.hpp"
#include "cid.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
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
    /// How much of a CARv2 file's index is kept; 0: what comes behind the data is passed over. A
    /// longer one is an error then.
    std::size_t max_index = 0;
    /// False: the block handler verifies the hashes itself.
    bool verify = true;
};

/// Reads a CAR file as it arrives, holding at most one section, and verifies the hash of every
/// block. Of a CARv2 file it reads the CARv1 file within; what the index says is not looked at.
/// Not thread safe. After an error every further call fails.
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
    /// No more bytes come. Error: invalid_input if the file ends inside its header or a section, or
    /// before its index.
    [[nodiscard]] Result<void> finish();

    /// Bytes of the file so far, header and framing included; blocks so far.
    [[nodiscard]] std::uint64_t total_bytes() const { return total_; }
    [[nodiscard]] std::uint64_t blocks() const { return blocks_; }
    /// In the handler: where the block's section begins, in bytes from the CARv1 header's.
    [[nodiscard]] std::uint64_t section_offset() const { return section_offset_; }
    /// Of a CARv2 file, once a block or the end has been reached.
    [[nodiscard]] const std::optional<CarV2Header>& v2_header() const { return v2_; }
    /// At the end, of a CARv2 file that has one, up to `max_index`.
    [[nodiscard]] BytesView index() const { return index_; }

  private:
    /// Which part of the file comes next. A CARv1 file is data to its end.
    enum class Part : std::uint8_t { start, v2_header, padding, data, index_padding, index };

    /// How much of `slice` belongs to the part that is due, which is taken.
    [[nodiscard]] Result<std::size_t> take_part(BytesView slice);
    [[nodiscard]] std::size_t take_start(BytesView slice);
    [[nodiscard]] Result<std::size_t> take_v2_header(BytesView slice);
    [[nodiscard]] Result<std::size_t> take_data(BytesView slice);
    [[nodiscard]] Result<std::size_t> take_index(BytesView slice);
    /// Of what has a known length, the rest of which is `left_`; then comes `next`.
    [[nodiscard]] std::size_t pass_over(BytesView slice, Part next);
    [[nodiscard]] Result<void> consume();
    [[nodiscard]] Result<void> take_section(BytesView section);

    CarReaderLimits limits_;
    RootsHandler on_roots_;
    BlockHandler on_block_;
    Bytes buffer_;
    Part part_ = Part::start;
    std::optional<CarV2Header> v2_;
    /// How much of a part of a CARv2 file is still to come.
    std::uint64_t left_ = 0;
    /// Where in the data what waits in the buffer begins.
    std::uint64_t data_position_ = 0;
    std::uint64_t section_offset_ = 0;
    Bytes index_;
    bool header_read_ = false;
    bool failed_ = false;
    std::uint64_t total_ = 0;
    std::uint64_t blocks_ = 0;
};

}  // namespace decloud::multiformats
