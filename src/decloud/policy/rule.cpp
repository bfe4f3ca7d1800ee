#include "rule.hpp"

namespace decloud::policy {

std::string_view to_string(Command command) {
    switch (command) {
        case Command::access:
            return "allow or deny";
        case Command::min_payment:
            return "min-payment";
        case Command::rate_limit:
            return "rate-limit";
        case Command::defer:
            return "defer";
        case Command::max_work:
            return "max-work";
        case Command::require:
            return "require";
        case Command::price:
            return "price";
        case Command::accept:
            return "accept";
    }
    return "";
}

WhoLevel Rule::who_level() const {
    if (group) {
        return WhoLevel::id;
    }
    if (!kind.empty()) {
        return WhoLevel::kind;
    }
    return band ? WhoLevel::reputation : WhoLevel::anybody;
}

bool Rule::carries(Command command) const {
    switch (command) {
        case Command::access:
            return access.has_value();
        case Command::min_payment:
            return !min_payments.empty();
        case Command::rate_limit:
            return rate_limit.has_value();
        case Command::defer:
            return defer.has_value();
        case Command::max_work:
            return max_work.has_value();
        case Command::require:
            return require.has_value();
        case Command::price:
            return price.has_value();
        case Command::accept:
            return accept.has_value();
    }
    return false;
}

}  // namespace decloud::policy
