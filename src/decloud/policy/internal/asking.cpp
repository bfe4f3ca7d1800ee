#include "asking.hpp"

#include <algorithm>

namespace decloud::policy::internal {

namespace {

using PaymentType = protocol::PaymentHeader::Type;

std::optional<std::uint64_t> number(const protocol::Item& item, std::string_view key) {
    const protocol::BareItem* found = item.parameter(key);
    const auto* value = found == nullptr ? nullptr : std::get_if<std::int64_t>(found);
    return value == nullptr || *value < 0 ? std::nullopt
                                          : std::optional(static_cast<std::uint64_t>(*value));
}

void count(const protocol::Terms& terms, Question& question) {
    question.work = &terms.units;
    question.units = protocol::count_of(terms.units, terms.unit);
}

}  // namespace

Promise read_promise(const protocol::PaymentHeader& payment) {
    Promise out;
    if (payment.type != PaymentType::deferred) {
        return out;
    }
    out.currency = payment.item.string_parameter("currency").value_or("");
    if (const auto amount = number(payment.item, "amount")) {
        out.amount = Amount(*amount);
    }
    if (const auto due = number(payment.item, "due")) {
        out.due = UnixSeconds{*due};
    }
    return out;
}

std::string_view Asking::name_of(const std::string& currency) const {
    return currency == settings_.usdc.text ? std::string_view("USDC") : currency;
}

Question Asking::common(const protocol::Call& call) {
    Question question{.service = call.service, .method = call.method};
    question.credentials = call.credentials;
    question.payment = call.payment.type;
    question.time = clock_.unix_seconds();
    question.load = load(question.time);
    question.reputation = settings_.reputation;
    question.facts = settings_.facts;
    question.is_quoted = call.quote != nullptr;
    return question;
}

Question Asking::ask(
    const protocol::Call& call, const protocol::Terms& terms, const Promise& promise) {
    const bool defers = call.payment.type == PaymentType::deferred;
    Question question = common(call);
    question.currency = name_of(defers ? promise.currency : terms.asset.text);
    // Whatever a payment offers, what is held of it is the service's price.
    question.amount = defers ? promise.amount : std::optional(terms.max_price);
    if (name_of(terms.asset.text) == question.currency) {
        question.service_price = terms.max_price;
        question.amount = std::min(question.amount.value_or(terms.max_price), terms.max_price);
    }
    question.due = promise.due;
    count(terms, question);
    return question;
}

Question Asking::ask_price(const protocol::Call& call, const protocol::Terms& terms) {
    Question question = common(call);
    question.currency = name_of(terms.asset.text);
    question.service_price = terms.max_price;
    count(terms, question);
    return question;
}

std::uint32_t Asking::load(UnixSeconds now) {
    if (now != load_at_) {
        load_at_ = now;
        load_ = settings_.load ? settings_.load() : machine_load();
    }
    return load_;
}

}  // namespace decloud::policy::internal
