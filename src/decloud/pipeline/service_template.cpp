#include "service_template.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/crypto/random.hpp>
#include <decloud/identity/did_key.hpp>
#include <decloud/protocol/known_answer.hpp>

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
    if (method->price.per_unit.contains("call")) {
        units->emplace("call", 1);
    }
    const auto amount = protocol::price_of(method->price, *units);
    if (!amount) {
        return refuse(400, Status::bad_request, amount.error().detail());
    }
    json::Object counted;
    for (const auto& [unit, count] : *units) {
        counted[unit] = std::to_string(count);
    }
    json::Object quote{{"id", to_hex(crypto::random_bytes(16))}, {"service", description.name},
        {"method", method->name}, {"units", std::move(counted)}, {"amount", to_string(*amount)},
        {"currency", method->price.currency.text}, {"issued", signer.now.value},
        {"expires", signer.now.value +
                        static_cast<std::uint64_t>(std::chrono::seconds(kQuoteLife).count())},
        {"provider", call.audience}, {"signer", identity::to_did_key(signer.key->public_key())}};
    const auto text = json::canonical(quote);
    if (!text) {
        return std::unexpected(protocol::problem_from(text.error()));
    }
    quote["signature"] = to_base64url(signer.key->sign(as_bytes(*text)).view());
    return quote;
}

}  // namespace

bool is_template_method(std::string_view method) {
    return method == "info" || method == "methods" || method == "quote";
}

json::Object to_json(const MethodDescription& method) {
    json::Object per_unit;
    for (const auto& [unit, amount] : method.price.per_unit) {
        per_unit[unit] = to_string(amount);
    }
    return {{"name", method.name}, {"summary", method.summary}, {"arguments", method.arguments},
        {"request", method.request}, {"response", method.response},
        {"price", json::Object{{"currency", method.price.currency.text},
                      {"base", to_string(method.price.base)}, {"perUnit", std::move(per_unit)}}}};
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
