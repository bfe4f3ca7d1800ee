#include "declared_service.hpp"

#include <decloud/base/log.hpp>
#include <decloud/net/forwarding.hpp>

#include <algorithm>

namespace decloud::services {

using protocol::Checked;
using protocol::Completion;
using protocol::PreparedCall;
using protocol::refuse;
using protocol::Status;

namespace {

constexpr std::uint64_t kMaxRequestBytes = 10 * kMiB;
constexpr std::uint64_t kMaxWholeAnswer = 64 * kKiB;
constexpr std::size_t kReadBytes = 64 * 1024;

/// A body that is counted while somebody reads it.
class CountedBody final : public protocol::RequestBody {
  public:
    explicit CountedBody(protocol::RequestBody& body) : body_(body) {
        if (const Bytes* all = body.whole()) {
            bytes_ = all->size();
            whole_ = true;
        }
    }
    [[nodiscard]] const Bytes* whole() const override { return body_.whole(); }
    [[nodiscard]] async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer) override {
        auto count = co_await body_.read(buffer);
        if (count && !whole_) {
            bytes_ += *count;
        }
        co_return count;
    }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  private:
    protocol::RequestBody& body_;
    std::uint64_t bytes_ = 0;
    bool whole_ = false;
};

protocol::UnitCounts count(std::uint64_t request_bytes) {
    return {{"call", 1}, {"request-kib", (request_bytes + kKiB - 1) / kKiB}};
}

Result<Amount> price_for(const protocol::PriceModel& price, const protocol::UnitCounts& units) {
    protocol::UnitCounts charged;
    for (const auto& [unit, number] : units) {
        if (price.per_unit.contains(unit)) {
            charged.emplace(unit, number);
        }
    }
    return protocol::price_of(price, charged);
}

protocol::UnitThousandths in_thousandths(const protocol::UnitCounts& units) {
    protocol::UnitThousandths out;
    for (const auto& [unit, number] : units) {
        out.emplace(unit, number * 1000);
    }
    return out;
}

/// What the operator's server is asked.
class ServerCall final : public PreparedCall {
  public:
    ServerCall(net::http::Client& client, net::Url url, std::shared_ptr<const protocol::Call> call)
        : client_(client), url_(std::move(url)), call_(std::move(call)) {
        terms_.max_request_bytes = kMaxRequestBytes;
    }

    [[nodiscard]] const protocol::Terms& terms() const override { return terms_; }

    [[nodiscard]] async::Task<Completion> serve(protocol::RequestBody& body,
        protocol::Responder& responder,
        protocol::Charge& /*charge*/,
        async::CancellationToken gone) override {
        auto response = co_await client_.request(url_, make_request(body));
        if (!response) {
            co_return no_answer(response.error());
        }
        const auto hang_up = gone.on_cancel([&answer = *response] { answer.abort(); });
        if (response->status() >= 500) {
            co_return no_answer(Error(
                CommonError::unavailable, "it answered " + std::to_string(response->status())));
        }
        net::http::ResponseHead head = response->head();
        net::strip_hop_by_hop(head.headers);
        net::strip_reserved(head.headers);
        head.headers.remove("Content-Length");
        const auto length = response->content_length();
        if (length && *length <= kMaxWholeAnswer) {
            auto all = co_await response->read_all(kMaxWholeAnswer);
            if (!all) {
                co_return no_answer(all.error());
            }
            (void)responder.send(std::move(head), std::move(*all));
            co_return Completion::charged({});
        }
        co_return co_await stream(*response, std::move(head), responder);
    }

  private:
    [[nodiscard]] net::http::ClientRequest make_request(protocol::RequestBody& body) const {
        net::http::ClientRequest out;
        out.method = "POST";
        const std::string_view query = call_->head.query();
        const std::string_view base = url_.target == "/" ? std::string_view() : url_.target;
        out.target = std::string(base) + "/" + call_->method +
                     (query.empty() ? "" : "?" + std::string(query));
        out.headers = call_->head.headers;
        net::strip_hop_by_hop(out.headers);
        net::strip_reserved(out.headers);
        for (const char* name : {"Host", "Content-Length", "Expect"}) {
            out.headers.remove(name);
        }
        if (const Bytes* all = body.whole()) {
            out.body = *all;
        } else {
            out.body = net::http::BodySource{
                .read = [&body](std::span<std::uint8_t> buffer) { return body.read(buffer); },
                .length = call_->content_length};
        }
        return out;
    }

    [[nodiscard]] Completion no_answer(const Error& why) const {
        log::warning("services", "the server behind {}.{} did not answer: {}", call_->service,
            call_->method, why.message());
        return Completion::failed(refuse(502, Status::server_error,
            "the server behind " + call_->service + " did not answer", "try again later")
                .error());
    }

    [[nodiscard]] async::Task<Completion> stream(net::http::ClientResponse& response,
        net::http::ResponseHead head,
        protocol::Responder& responder) {
        if (const auto started = co_await responder.start(std::move(head)); !started) {
            co_return Completion{.actual = {}, .problem = {}, .broken = true};
        }
        Bytes buffer(kReadBytes);
        for (;;) {
            const auto count = co_await response.read(buffer);
            if (!count) {
                co_return Completion{.actual = {}, .problem = {}, .broken = true};
            }
            if (*count == 0) {
                co_return Completion::charged({});
            }
            if (!co_await responder.write(BytesView(buffer).first(*count))) {
                co_return Completion{.actual = {}, .problem = {}, .broken = true};
            }
        }
    }

    net::http::Client& client_;
    net::Url url_;
    std::shared_ptr<const protocol::Call> call_;
    protocol::Terms terms_;
};

/// Another call at the declared price.
class PricedCall final : public PreparedCall {
  public:
    PricedCall(
        std::unique_ptr<PreparedCall> inner, protocol::Terms terms, protocol::PriceModel price)
        : inner_(std::move(inner)), terms_(std::move(terms)), price_(std::move(price)) {}

    [[nodiscard]] const protocol::Terms& terms() const override { return terms_; }

    [[nodiscard]] async::Task<Completion> serve(protocol::RequestBody& body,
        protocol::Responder& responder,
        protocol::Charge& charge,
        async::CancellationToken gone) override {
        CountedBody counted(body);
        Completion done = co_await inner_->serve(counted, responder, charge, gone);
        const protocol::UnitCounts units = count(counted.bytes());
        const auto cost = price_for(price_, units);
        done.actual = cost ? std::min(*cost, terms_.max_price) : terms_.max_price;
        done.delivered = in_thousandths(units);
        co_return done;
    }

  private:
    std::unique_ptr<PreparedCall> inner_;
    protocol::Terms terms_;
    protocol::PriceModel price_;
};

class DeclaredService final : public protocol::Service {
  public:
    DeclaredService(ServiceFile file, DeclaredContext& context)
        : file_(std::move(file)), context_(context), description_(describe()) {}

    [[nodiscard]] std::string_view name() const override { return file_.name; }
    [[nodiscard]] protocol::ServiceDescription description() const override { return description_; }

    [[nodiscard]] async::Task<Checked<std::unique_ptr<PreparedCall>>> prepare(
        std::shared_ptr<const protocol::Call> call) override {
        const auto* method = description_.find(call->method);
        if (method == nullptr) {
            co_return refuse(404, Status::method_unsupported,
                file_.name + " has no method \"" + call->method + "\"",
                "POST /oc/v1/" + file_.name + "/methods lists them");
        }
        const auto declared = std::ranges::find(file_.methods, call->method, &DeclaredMethod::name);
        if (call->args.size() < declared->required ||
            call->args.size() > declared->arguments.size()) {
            co_return refuse(400, Status::bad_request,
                file_.name + "." + call->method + " takes " + std::to_string(declared->required) +
                    " to " + std::to_string(declared->arguments.size()) + " arguments, not " +
                    std::to_string(call->args.size()));
        }
        auto inner = co_await prepare_backend(call);
        if (!inner) {
            co_return std::unexpected(std::move(inner.error()));
        }
        protocol::Terms terms = (*inner)->terms();
        terms.units = count(call->content_length.value_or(terms.max_request_bytes));
        terms.unit = method->unit;
        const auto most = price_for(method->price, terms.units);
        if (!most) {
            co_return std::unexpected(protocol::problem_from(most.error()));
        }
        terms.asset = context_.asset;
        terms.max_price = *most;
        terms.sponsor.reset();
        terms.subject = file_.name + "." + call->method;
        co_return std::make_unique<PricedCall>(std::move(*inner), std::move(terms), method->price);
    }

  private:
    [[nodiscard]] async::Task<Checked<std::unique_ptr<PreparedCall>>> prepare_backend(
        std::shared_ptr<const protocol::Call> call) {
        if (const auto* url = std::get_if<net::Url>(&file_.backend)) {
            co_return std::make_unique<ServerCall>(context_.client, *url, std::move(call));
        }
        auto inner = std::make_shared<protocol::Call>(*call);
        inner->service = "compute";
        inner->method = "call";
        inner->args = {std::get<multiformats::Cid>(file_.backend).to_string()};
        inner->prefix = call->prefix + "/oc/v1/" + file_.name;
        inner->path_info = "/" + call->method;
        co_return co_await context_.compute.prepare(std::move(inner));
    }

    [[nodiscard]] protocol::ServiceDescription describe() const {
        protocol::ServiceDescription out{
            .name = file_.name, .version = file_.version, .summary = file_.summary};
        out.units = {{.name = "call", .description = "one call"},
            {.name = "request-kib", .description = "1,024 bytes of the request's body, or a part"}};
        for (const auto& [unit, description] : file_.units) {
            std::erase_if(out.units, [&](const auto& each) { return each.name == unit; });
            out.units.push_back({.name = unit, .description = description});
        }
        for (const DeclaredMethod& method : file_.methods) {
            out.methods.push_back({.name = method.name,
                .summary = method.summary,
                .arguments = protocol::arguments_schema(method.arguments, method.required),
                .request = method.request,
                .response = method.response,
                .price = {.currency = context_.asset,
                    .base = method.price,
                    .per_unit = method.per_unit},
                .unit = method.unit});
        }
        return out;
    }

    ServiceFile file_;
    DeclaredContext& context_;
    protocol::ServiceDescription description_;
};

}  // namespace

std::unique_ptr<protocol::Service> make_declared_service(
    ServiceFile file, DeclaredContext& context) {
    return std::make_unique<DeclaredService>(std::move(file), context);
}

}  // namespace decloud::services
