#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

namespace decloud::ipfs {

/// The body of an answer, made piece by piece so that no more than a piece is in memory. Reads the
/// disk: used from a thread pool, one call at a time.
class BodyStream {
  public:
    virtual ~BodyStream() = default;
    /// The next piece; empty at the end. After an error the answer is broken off.
    [[nodiscard]] virtual Result<Bytes> next() = 0;
};

}  // namespace decloud::ipfs
