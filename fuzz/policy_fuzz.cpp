#include <decloud/policy/policy.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace decloud {

namespace {

void decide(const policy::Policy& policy) {
    std::array credentials{policy::Credential{.kind = "opencloud",
                               .id = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"},
        policy::Credential{.kind = "ethereum", .id = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"}};
    policy::Question question{.service = "compute", .method = "call"};
    question.credentials = credentials;
    question.payment = protocol::PaymentHeader::Type::deferred;
    question.currency = "USDC";
    question.amount = Amount(1000);
    question.service_price = Amount(1000);
    question.units = 3;
    const policy::Decision one = policy.decide(question);
    (void)policy::explain(one, question);
    (void)policy::tell_caller(one, question);
    std::swap(credentials.front(), credentials.back());
    const policy::Decision other = policy.decide(question);
    if (one.verdict != other.verdict || one.quote != other.quote ||
        one.least_bid != other.least_bid) {
        std::abort();
    }
}

}  // namespace

// A policy is the operator's, but lists of ids and cids come from other people.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text({data, size});
    // What follows a line of "===" is the text of every file that the policy names.
    const std::size_t end = text.find("\n===\n");
    const std::string other(end == std::string_view::npos ? "" : text.substr(end + 5));
    const auto policy = policy::Policy::parse(text.substr(0, end), "p",
        [&](const std::string&, std::uint64_t most) -> Result<std::string> {
            return other.substr(0, most);
        });
    if (!policy) {
        if (policy.error().detail().empty()) {
            std::abort();
        }
        return 0;
    }
    decide(*policy);
    (void)policy->barring(
        {.cid = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG", .name = "a.decloud"});
    return 0;
}

}  // namespace decloud
