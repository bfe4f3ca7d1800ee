#pragma once

#include "sandbox.hpp"

#include <decloud/async/cancellation.hpp>
#include <decloud/async/task.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <cstdint>
#include <memory>

namespace decloud::sandbox {

/// Most answers that one verification can have.
inline constexpr std::uint32_t kMaximumAnswers = 31;

/// What a verifier says of several providers' answers to the same requests.
struct Verdict {
    enum class Kind : std::uint8_t {
        /// It could tell right from wrong: `wrong`.
        judged,
        /// It could not: the home server is to be asked.
        undecided,
        /// What it was given is not what its service takes or gives.
        invalid_input,
    };
    Kind kind = Kind::undecided;
    /// Bit n is set if the n-th answer is wrong, the first being bit 0.
    std::uint32_t wrong = 0;

    friend bool operator==(const Verdict&, const Verdict&) = default;
};

/// A WebAssembly module that judges answers, the same on every machine. Used on the sandbox's
/// executor; the sandbox outlives it.
class Verifier {
  public:
    /// `artifact` was prepared by the runtime "verifier".
    Verifier(Sandbox& sandbox, std::shared_ptr<const Artifact> artifact)
        : sandbox_(sandbox), artifact_(std::move(artifact)) {}

    /// How many answers it wants to see at least: 1 to `kMaximumAnswers`. Errors: as `verify`.
    [[nodiscard]] async::Task<Result<std::uint32_t>> min_requests(async::CancellationToken cancel);

    /// Its verdict on `answers` answers. `requests` and `responses` are as
    /// `protocol/verification.hpp` encodes them. Errors: invalid_input if the verifier broke, took
    /// too much or gave a number that means nothing: then there is no verdict, whoever asks;
    /// unavailable if it is this machine that could not run it; cancelled.
    [[nodiscard]] async::Task<Result<Verdict>> verify(
        std::uint32_t answers, Bytes requests, Bytes responses, async::CancellationToken cancel);

  private:
    [[nodiscard]] async::Task<Result<std::int32_t>> ask(
        Bytes input, async::CancellationToken cancel);

    Sandbox& sandbox_;
    std::shared_ptr<const Artifact> artifact_;
};

}  // namespace decloud::sandbox
