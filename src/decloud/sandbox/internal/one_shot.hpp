#pragma once

#include "confine.hpp"
#include "fd.hpp"
#include "wire.hpp"

#include <decloud/async/cancellation.hpp>
#include <decloud/async/task.hpp>
#include <decloud/base/result.hpp>

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace decloud::sandbox::internal {

/// Starts a worker for one job: it gets `request` with `fds`, and answers once within `limit`.
/// Gives the descriptor that came with a good answer, if one did. Errors: the worker's own;
/// timeout; unavailable when it died (of its memory limit, say); cancelled.
[[nodiscard]] async::Task<Result<UniqueFd>> run_one_shot(async::Executor executor,
    std::filesystem::path executable,
    std::vector<std::string> arguments,
    Bytes request,
    std::vector<UniqueFd> fds,
    std::chrono::milliseconds limit,
    async::CancellationToken cancel = {});

/// The worker's side: receives the job on `socket`, runs `work` and answers. The exit status.
using OneShotWork = std::function<Result<UniqueFd>(WireReader request, std::span<UniqueFd> fds)>;
[[nodiscard]] int serve_one_shot(int socket, const OneShotWork& work);

/// A sealed memory file, mapped for reading.
class MappedFile {
  public:
    [[nodiscard]] static Result<MappedFile> open(int fd);
    MappedFile(MappedFile&& other) noexcept : view_(std::exchange(other.view_, {})) {}
    MappedFile& operator=(MappedFile&&) = delete;
    ~MappedFile();
    [[nodiscard]] BytesView view() const { return view_; }

  private:
    explicit MappedFile(BytesView view) : view_(view) {}
    BytesView view_;
};

}  // namespace decloud::sandbox::internal
