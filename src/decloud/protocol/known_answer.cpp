#include "known_answer.hpp"

namespace decloud::protocol {

namespace {

constexpr std::uint64_t kMaxBodyBytes = 4 * kKiB;

class KnownAnswer final : public PreparedCall {
  public:
    KnownAnswer(std::string subject, json::Object answer) : answer_(std::move(answer)) {
        terms_.subject = std::move(subject);
        terms_.max_request_bytes = kMaxBodyBytes;
    }

    [[nodiscard]] const Terms& terms() const override { return terms_; }
    [[nodiscard]] async::Task<Completion> serve(RequestBody& /*body*/,
        Responder& responder,
        Charge& /*charge*/,
        async::CancellationToken /*gone*/) override {
        net::http::ResponseHead head;
        head.headers.add("Content-Type", "application/json");
        (void)responder.send(std::move(head), to_bytes(json::to_text(answer_) + "\n"));
        co_return Completion::charged({});
    }

  private:
    Terms terms_;
    json::Object answer_;
};

}  // namespace

std::unique_ptr<PreparedCall> make_known_answer(std::string subject, json::Object answer) {
    return std::make_unique<KnownAnswer>(std::move(subject), std::move(answer));
}

}  // namespace decloud::protocol
