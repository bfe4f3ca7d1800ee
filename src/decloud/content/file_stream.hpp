#pragma once

#include "block_store.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <functional>
#include <memory>

namespace decloud::content {

/// Writes out a file while its blocks arrive, depth first, each as often as the file has it (a CAR
/// with duplicates in that order), so that a file of any size needs no room. Not thread safe.
class FileStream {
  public:
    /// Takes the next bytes of the file; the view ends with the call.
    using Sink = std::function<Result<void>(BytesView bytes)>;

    FileStream(const Cid& root, Sink sink);
    FileStream(const FileStream&) = delete;
    FileStream& operator=(const FileStream&) = delete;
    ~FileStream();

    /// The next block, whose hash the caller has verified. Errors: invalid_input if it is not the
    /// one that is due, or no part of a file; the sink's.
    [[nodiscard]] Result<void> write(const Cid& cid, BytesView data);
    /// No more blocks come. Error: not_found naming the one that is missing.
    [[nodiscard]] Result<void> finish();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace decloud::content
