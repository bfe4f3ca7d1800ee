#include "service_template.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/crypto/random.hpp>
#include <decloud/protocol/known_answer.hpp>
#include <decloud/protocol/quote.hpp>

#include <algorithm>
#include <charconv>

namespace decloud::pipeline {

using protocol::Checked;
using protocol::MethodDescription;
using protocol::PreparedCall;
using protocol::refuse;
using protocol::ServiceDescription;
using protocol::Status;

namespace {

constexpr std::size_t kMaxUnits = 32;

json::Object info_of(const ServiceDescription& description) {
    json::Array methods;
    for (const MethodDescription& method : description.methods) {
        methods.emplace_back(method.name);
    }
    json::Array units;
    for (const auto& unit : description.units) {
        units.emplace_back(json::Object{{"name", unit.name}, {"description", unit.description}});
    }
    return {{"service", description.name}, {"version", description.version},
        {"summary", description.summary}, {"methods", std::move(methods)},
        {"units", std::move(units)}};
}

json::Object methods_of(const ServiceDescription& description) {
    json::Array methods;
    for (const MethodDescription& method : description.methods) {
        methods.emplace_back(to_json(method));
    }
    return {{"methods", std::move(methods)}};
}

/// "unit=count" of each argument after the first.
Checked<protocol::UnitCounts> read_units(const std::vector<std::string>& args) {
    protocol::UnitCounts units;
    for (std::size_t i = 1; i < args.size(); ++i) {
        const std::string_view text = args[i];
        const std::size_t equals = text.find('=');
        std::uint64_t count = 0;
        const std::string_view digits =
            equals == std::string_view::npos ? std::string_view() : text.substr(equals + 1);
        const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), count);
        const bool is_number =
            !digits.empty() && read.ec == std::errc() && read.ptr == digits.data() + digits.size();
        if (!is_number || i > kMaxUnits ||
            !units.emplace(std::string(text.substr(0, equals)), count).second) {
            return refuse(400, Status::bad_request,
                "after the method a quote's arguments are {unit}={count}, each unit once");
        }
    }
    return units;
}

/// Units that the service declares and the method does not charge for cost nothing.
Result<Amount> cost_of(const ServiceDescription& description,
    const MethodDescription& method,
    const protocol::UnitCounts& units) {
    protocol::UnitCounts charged;
    for (const auto& [unit, count] : units) {
        const auto declared =
            std::ranges::find(description.units, unit, &protocol::UnitDescription::name);
        if (declared == description.units.end() || method.price.per_unit.contains(unit)) {
            charged.emplace(unit, count);
        }
    }
    return protocol::price_of(method.price, charged);
}

/// The id that a quote is for, if its request is signed.
std::string asker_of(const protocol::Call& call) {
    const auto found = std::ranges::find_if(call.credentials, [](const auto& credential) {
        return credential.kind == "opencloud" && credential.successor.empty();
    });
    return found == call.credentials.end() ? std::string() : found->id;
}

Checked<json::Object> quote_of(
    const ServiceDescription& description, const protocol::Call& call, QuoteSigner signer) {
    if (call.args.empty() || signer.key == nullptr) {
        return refuse(400, Status::bad_request, "quote?arg={method}&arg={unit}={count}…");
    }
    const MethodDescription* method = description.find(call.args.front());
    if (method == nullptr) {
        return refuse(404, Status::method_unsupported,
            description.name + " has no method \"" + call.args.front() + "\"");
    }
    auto units = read_units(call.args);
    if (!units) {
        return std::unexpected(std::move(units.error()));
    }
    for (const auto& [unit, amount] : method->price.per_unit) {
        units->emplace(unit, unit == "call" ? 1 : 0);
    }
    const auto amount = cost_of(description, *method, *units);
    if (!amount) {
        return refuse(400, Status::bad_request, amount.error().detail());
    }
    const std::uint64_t expires =
        signer.now.value + static_cast<std::uint64_t>(std::chrono::seconds(kQuoteLife).count());
    auto quote = protocol::sign_quote({.id = to_hex(crypto::random_bytes(16)),
                                          .service = description.name,
                                          .method = method->name,
                                          .units = std::move(*units),
                                          .price = method->price,
                                          .amount = *amount,
                                          .issued = signer.now,
                                          .expires = {expires},
                                          .provider = call.audience,
                                          .bound_to = asker_of(call)},
        *signer.key);
    if (!quote) {
        return std::unexpected(protocol::problem_from(quote.error()));
    }
    return std::move(*quote);
}

}  // namespace

bool is_template_method(std::string_view method) {
    return method == "info" || method == "methods" || method == "quote";
}

json::Object to_json(const MethodDescription& method) {
    return {{"name", method.name}, {"summary", method.summary}, {"arguments", method.arguments},
        {"request", method.request}, {"response", method.response}, {"unit", method.unit},
        {"price", protocol::to_json(method.price)}};
}

Checked<std::unique_ptr<PreparedCall>> make_template_call(
    const ServiceDescription& description, const protocol::Call& call, QuoteSigner signer) {
    const std::string subject = description.name + "." + call.method;
    if (call.method == "quote") {
        auto quote = quote_of(description, call, signer);
        if (!quote) {
            return std::unexpected(std::move(quote.error()));
        }
        return protocol::make_known_answer(subject, std::move(*quote));
    }
    if (!call.args.empty()) {
        return refuse(400, Status::bad_request, subject + " takes no arguments");
    }
    return protocol::make_known_answer(
        subject, call.method == "info" ? info_of(description) : methods_of(description));
}

}  // namespace decloud::pipeline
