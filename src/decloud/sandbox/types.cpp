#include "types.hpp"

#include <algorithm>

namespace decloud::sandbox {

async::Task<Result<std::size_t>> MemoryBody::read(std::span<std::uint8_t> target) {
    const std::size_t count = std::min(target.size(), body_.size() - position_);
    std::copy_n(body_.begin() + static_cast<std::ptrdiff_t>(position_), count, target.begin());
    position_ += count;
    co_return count;
}

std::string_view to_string(Outcome::End end) {
    switch (end) {
        case Outcome::End::exited:
            return "exited";
        case Outcome::End::trapped:
            return "trapped";
        case Outcome::End::timed_out:
            return "timed_out";
        case Outcome::End::out_of_memory:
            return "out_of_memory";
        case Outcome::End::limit:
            return "limit";
        case Outcome::End::killed:
            return "killed";
        case Outcome::End::sandbox_failed:
            return "sandbox_failed";
    }
    return "unknown";
}

Outcome sandbox_failure(std::string detail) {
    Outcome outcome;
    outcome.detail = std::move(detail);
    return outcome;
}

}  // namespace decloud::sandbox
