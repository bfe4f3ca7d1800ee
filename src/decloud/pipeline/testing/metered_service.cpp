#include "metered_service.hpp"

namespace decloud::pipeline::testing {

namespace {

class MeteredCall final : public protocol::PreparedCall {
  public:
    MeteredCall() {
        terms_.asset = {kMeteredAsset};
        terms_.max_price = Amount(100);
        terms_.subject = "metered";
        terms_.max_request_bytes = 100;
    }

    [[nodiscard]] const protocol::Terms& terms() const override { return terms_; }

    [[nodiscard]] async::Task<protocol::Completion> serve(protocol::RequestBody& body,
        protocol::Responder& responder,
        protocol::Charge& /*charge*/,
        async::CancellationToken /*gone*/) override {
        const Bytes* whole = body.whole();
        if (whole == nullptr) {
            co_return protocol::Completion::failed(
                protocol::refuse(500, protocol::Status::server_error, "no body").error());
        }
        (void)responder.send({.status = 200, .reason = {}, .headers = {}}, to_bytes("metered"));
        co_return protocol::Completion::charged(Amount(whole->size()));
    }

  private:
    protocol::Terms terms_;
};

class MeteredService final : public protocol::Service {
  public:
    [[nodiscard]] std::string_view name() const override { return "metered"; }
    [[nodiscard]] async::Task<protocol::Checked<std::unique_ptr<protocol::PreparedCall>>> prepare(
        std::shared_ptr<const protocol::Call> call) override {
        if (call->method != "count") {
            co_return protocol::refuse(404, protocol::Status::method_unsupported, "only count");
        }
        co_return std::make_unique<MeteredCall>();
    }
};

}  // namespace

std::unique_ptr<protocol::Service> make_metered_service() {
    return std::make_unique<MeteredService>();
}

}  // namespace decloud::pipeline::testing
