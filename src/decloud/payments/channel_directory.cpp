#include "channel_directory.hpp"

namespace decloud::payments {

namespace {
constexpr std::string_view kChannelPrefix = "channel:";
constexpr std::string_view kTrialPrefix = "trial:";
}  // namespace

PayerAccount channel_account(const Bytes32& channel) {
    return {std::string(kChannelPrefix) + to_string(channel)};
}

PayerAccount trial_account(const Address& provider, const Address& user) {
    return {std::string(kTrialPrefix) + to_string(provider) + ":" + to_string(user)};
}

Result<Bytes32> parse_channel_account(const PayerAccount& account) {
    std::string_view text = account.text;
    if (!text.starts_with(kChannelPrefix)) {
        return fail(CommonError::invalid_input, "not a channel: " + account.text);
    }
    return parse_bytes32(text.substr(kChannelPrefix.size()));
}

Result<Address> parse_trial_account(const PayerAccount& account) {
    const std::string_view text = account.text;
    const std::size_t colon = text.rfind(':');
    if (!text.starts_with(kTrialPrefix) || colon < kTrialPrefix.size()) {
        return fail(CommonError::invalid_input, "not a trial: " + account.text);
    }
    return parse_address(text.substr(colon + 1));
}

}  // namespace decloud::payments
