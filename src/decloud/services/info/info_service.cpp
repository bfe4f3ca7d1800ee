#include "info_service.hpp"

#include <decloud/protocol/known_answer.hpp>

namespace decloud::services {

using protocol::Checked;
using protocol::PreparedCall;
using protocol::Status;

namespace {

class InfoService final : public protocol::Service {
  public:
    explicit InfoService(std::function<json::Object()> tell) : tell_(std::move(tell)) {}

    [[nodiscard]] std::string_view name() const override { return "info"; }
    [[nodiscard]] protocol::ServiceDescription description() const override {
        return {.name = "info",
            .summary = "Who this node is, what it offers and what it takes.",
            .methods = {{.name = "info",
                .summary = "Names, keys, services, payments, prices and limits of this node.",
                .arguments = protocol::arguments_schema({}, 0)}}};
    }
    [[nodiscard]] async::Task<Checked<std::unique_ptr<PreparedCall>>> prepare(
        std::shared_ptr<const protocol::Call> call) override {
        if (call->method != "info") {
            co_return protocol::refuse(404, Status::method_unsupported,
                "info has the methods info, methods and quote, not \"" + call->method + "\"");
        }
        co_return protocol::make_known_answer("info.info", tell_());
    }

  private:
    std::function<json::Object()> tell_;
};

}  // namespace

std::unique_ptr<protocol::Service> make_info_service(std::function<json::Object()> tell) {
    return std::make_unique<InfoService>(std::move(tell));
}

}  // namespace decloud::services
