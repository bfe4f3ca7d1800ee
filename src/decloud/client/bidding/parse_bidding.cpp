#include "../error.hpp"
#include "bidding.hpp"

#include <charconv>
#include <string>

namespace decloud::client {

namespace {

constexpr std::string_view kRaise = "raise:";
constexpr unsigned kMostPercent = 1000;

std::unexpected<Error> wrong(std::string_view text) {
    return fail_with_help(ClientError::usage, "\"" + std::string(text) + "\" is no way to bid",
        "fixed, accept-quote, raise:10%:0.005 (step and most in USDC) or defer-first");
}

}  // namespace

Result<std::unique_ptr<Bidding>> parse_bidding(std::string_view text, Amount budget) {
    if (text == "fixed") {
        return make_fixed_bidding(budget);
    }
    if (text == "accept-quote") {
        return make_accept_quote_bidding(budget);
    }
    if (text == "defer-first") {
        return make_defer_first_bidding(budget);
    }
    const std::size_t end = text.find("%:");
    if (!text.starts_with(kRaise) || end == std::string_view::npos || end < kRaise.size()) {
        return wrong(text);
    }
    const std::string_view step = text.substr(kRaise.size(), end - kRaise.size());
    unsigned percent = 0;
    const auto [rest, problem] = std::from_chars(step.data(), step.data() + step.size(), percent);
    const auto most = parse_usdc(std::string(text.substr(end + 2)));
    const bool is_number = problem == std::errc{} && rest == step.data() + step.size();
    if (!is_number || percent == 0 || percent > kMostPercent || !most || most->is_zero()) {
        return wrong(text);
    }
    return make_raise_bidding(std::min(*most, budget), percent);
}

}  // namespace decloud::client
