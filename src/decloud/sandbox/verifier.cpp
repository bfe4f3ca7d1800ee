#include "verifier.hpp"

#include "internal/wire.hpp"

#include <fmt/format.h>

#include <bit>
#include <charconv>

namespace decloud::sandbox {

namespace {

constexpr std::int32_t kUndecided = -1;
/// Far more than its fuel lasts, also on a slow machine: the clock must not decide.
constexpr std::chrono::milliseconds kWall{60'000};

/// The number that a verifier gave.
class NumberSink final : public ResponseSink {
  public:
    bool take_whole(BytesView output, const Outcome& /*outcome*/) override {
        append(text_, output);
        return true;
    }
    async::Task<Result<void>> write(BytesView data) override {
        append(text_, data);
        co_return Result<void>{};
    }
    [[nodiscard]] Result<std::int32_t> number() const {
        const std::string_view text = as_text(text_);
        std::int32_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc() || end != text.data() + text.size()) {
            return fail(CommonError::unavailable, "the worker gave no number");
        }
        return value;
    }

  private:
    Bytes text_;
};

Error refusal(const Outcome& outcome) {
    switch (outcome.end) {
        case Outcome::End::trapped:
        case Outcome::End::limit:
        case Outcome::End::out_of_memory:
        case Outcome::End::exited:
            return {make_error_code(CommonError::invalid_input),
                "the verifier gave no verdict: " + outcome.detail};
        case Outcome::End::killed:
            return {make_error_code(CommonError::cancelled), outcome.detail};
        case Outcome::End::timed_out:
        case Outcome::End::sandbox_failed:
            break;
    }
    return {make_error_code(CommonError::unavailable), outcome.detail};
}

Result<Verdict> verdict_of(std::int32_t number, std::uint32_t answers) {
    if (number == kUndecided) {
        return Verdict{.kind = Verdict::Kind::undecided};
    }
    if (number < kUndecided) {
        return Verdict{.kind = Verdict::Kind::invalid_input};
    }
    const auto wrong = static_cast<std::uint32_t>(number);
    if (static_cast<std::uint32_t>(std::bit_width(wrong)) > answers) {
        return fail(CommonError::invalid_input,
            fmt::format(
                "the verifier judged answers that were not there: {:#x} of {}", wrong, answers));
    }
    return Verdict{.kind = Verdict::Kind::judged, .wrong = wrong};
}

}  // namespace

async::Task<Result<std::int32_t>> Verifier::ask(Bytes input, async::CancellationToken cancel) {
    Limits limits;
    limits.wall = kWall;
    const auto sink = std::make_shared<NumberSink>();
    const Outcome outcome = co_await sandbox_.invoke(artifact_, {},
        std::make_shared<MemoryBody>(std::move(input)), sink, limits, std::move(cancel));
    if (!outcome.succeeded()) {
        co_return std::unexpected(refusal(outcome));
    }
    co_return sink->number();
}

async::Task<Result<std::uint32_t>> Verifier::min_requests(async::CancellationToken cancel) {
    CO_TRY(const std::int32_t number, co_await ask({}, std::move(cancel)));
    if (number < 1 || number > static_cast<std::int32_t>(kMaximumAnswers)) {
        co_return fail(CommonError::invalid_input,
            fmt::format("minRequests is {}, not between 1 and {}", number, kMaximumAnswers));
    }
    co_return static_cast<std::uint32_t>(number);
}

async::Task<Result<Verdict>> Verifier::verify(
    std::uint32_t answers, Bytes requests, Bytes responses, async::CancellationToken cancel) {
    if (answers == 0 || answers > kMaximumAnswers) {
        co_return fail(CommonError::invalid_input,
            fmt::format("{} answers, not between 1 and {}", answers, kMaximumAnswers));
    }
    internal::WireWriter input;
    input.put_bytes(requests);
    input.put_raw(responses);
    CO_TRY(const std::int32_t number, co_await ask(input.take(), std::move(cancel)));
    co_return verdict_of(number, answers);
}

}  // namespace decloud::sandbox
