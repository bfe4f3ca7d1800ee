#include "peers_service.hpp"

#include <decloud/protocol/known_answer.hpp>

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

namespace decloud::services {

using protocol::Call;
using protocol::Checked;
using protocol::Completion;
using protocol::PreparedCall;
using protocol::Status;

namespace {

constexpr std::size_t kMostListed = 100;

Checked<std::size_t> parse_limit(const Call& call) {
    if (call.args.empty()) {
        return kMostListed;
    }
    const std::string& text = call.args[0];
    std::size_t limit = 0;
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, limit);
    if (error != std::errc{} || at != end || limit == 0 || limit > kMostListed) {
        return protocol::refuse(400, Status::bad_request,
            "how many peers to list is a number from 1 to 100", "list?arg=100&arg={service}");
    }
    return limit;
}

json::Object peer_json(const PeerBook::Peer& peer) {
    json::Object out = to_json(peer.record);
    out["seen"] = peer.seen.value;
    out["record"] = peer.record.text;
    return out;
}

class AnnounceCall final : public PreparedCall {
  public:
    explicit AnnounceCall(PeersContext& context) : context_(context) {
        terms_.subject = "peers.announce";
        terms_.max_request_bytes = protocol::kMaxPeerRecordBytes;
    }

    [[nodiscard]] const protocol::Terms& terms() const override { return terms_; }
    [[nodiscard]] async::Task<Completion> serve(protocol::RequestBody& body,
        protocol::Responder& responder,
        protocol::Charge& /*charge*/,
        async::CancellationToken /*gone*/) override {
        const Bytes* const text = body.whole();
        if (text == nullptr) {
            co_return Completion::failed(protocol::problem_from(Error(CommonError::internal)));
        }
        const auto record =
            protocol::parse_peer_record(as_text(*text), context_.clock.unix_seconds());
        if (!record) {
            co_return Completion::charged_problem(
                {}, protocol::refuse(400, Status::bad_request, record.error().detail()).error());
        }
        const bool is_new = context_.book.hear(record->addresses.front());
        if (is_new) {
            context_.heard();
        }
        net::http::ResponseHead head;
        head.headers.add("Content-Type", "application/json");
        (void)responder.send(
            std::move(head), to_bytes(json::to_text(json::Object{{"asks", is_new}}) + "\n"));
        co_return Completion::charged({});
    }

  private:
    PeersContext& context_;
    protocol::Terms terms_;
};

class PeersService final : public protocol::Service {
  public:
    explicit PeersService(PeersContext& context) : context_(context) {}

    [[nodiscard]] std::string_view name() const override { return "peers"; }
    [[nodiscard]] protocol::ServiceDescription description() const override {
        return {.name = "peers",
            .summary = "Other nodes that this one knows, by their own signed records.",
            .methods = {{.name = "list",
                            .summary = "This node's record, and those of nodes that answered it, "
                                       "the latest first.",
                            .arguments = protocol::arguments_schema(
                                {"How many, 100 at most", "A service that they offer"}, 0)},
                {.name = "announce",
                    .summary = "Takes the record of a node (a compact JWS), and asks that node "
                               "before others are told of it.",
                    .arguments = protocol::arguments_schema({}, 0),
                    .request = "application/jwt"}}};
    }
    [[nodiscard]] async::Task<Checked<std::unique_ptr<PreparedCall>>> prepare(
        std::shared_ptr<const Call> call) override {
        if (call->method == "announce") {
            co_return std::make_unique<AnnounceCall>(context_);
        }
        if (call->method != "list") {
            co_return protocol::refuse(404, Status::method_unsupported,
                "peers has the methods list and announce, not \"" + call->method + "\"");
        }
        const auto limit = parse_limit(*call);
        if (!limit) {
            co_return std::unexpected(limit.error());
        }
        co_return protocol::make_known_answer(
            "peers.list", list(*limit, call->args.size() > 1 ? call->args[1] : std::string()));
    }

  private:
    [[nodiscard]] json::Object list(std::size_t limit, const std::string& service) const {
        json::Object answer;
        if (const auto self = context_.self()) {
            answer["self"] = self->text;
        }
        json::Array peers;
        for (const PeerBook::Peer& peer : context_.book.list(limit, service)) {
            peers.push_back(peer_json(peer));
        }
        answer["peers"] = std::move(peers);
        return answer;
    }

    PeersContext& context_;
};

}  // namespace

std::unique_ptr<protocol::Service> make_peers_service(PeersContext& context) {
    return std::make_unique<PeersService>(context);
}

}  // namespace decloud::services
