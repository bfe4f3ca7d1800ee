#include "requesters.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/log.hpp>
#include <decloud/net/url.hpp>
#include <decloud/protocol/succession.hpp>

#include <utility>

namespace decloud::node {

namespace {

constexpr std::string_view kPrefix = "succession/";
/// Of ids that mean nothing here.
constexpr std::size_t kMostOthers = 20'000;

}  // namespace

SuccessionRecords::SuccessionRecords(
    store::RecordStore& records, std::function<bool(const std::string&)> matters)
    : records_(records), matters_(std::move(matters)) {
    const auto known = records_.list(kPrefix);
    if (!known) {
        log::error(
            "node", "which ids were left for others cannot be read: {}", known.error().message());
        return;
    }
    for (const auto& [key, successor] : *known) {
        successors_.emplace(key.substr(kPrefix.size()), std::string(as_text(successor)));
    }
}

std::string SuccessionRecords::successor_of(std::string_view id) const {
    const auto found = successors_.find(id);
    return found == successors_.end() ? std::string() : found->second;
}

void SuccessionRecords::learn(const protocol::Credential& earlier) {
    if (successors_.contains(earlier.id) ||
        (successors_.size() >= kMostOthers && !matters_(earlier.id))) {
        return;
    }
    successors_.emplace(earlier.id, earlier.successor);
    if (const auto put =
            records_.put(std::string(kPrefix) + earlier.id, as_bytes(earlier.successor));
        !put) {
        log::error("node", "that {} was left for {} is not on disk: {}", earlier.id,
            earlier.successor, put.error().message());
    }
}

std::unique_ptr<pipeline::Authentication> make_authentication(const Clock& clock,
    std::string audience,
    const std::string& public_url,
    SuccessionRecords& successions) {
    pipeline::AuthenticationSettings known{.audience = std::move(audience)};
    if (const auto url = net::parse_url(public_url)) {
        known.scheme = url->scheme == net::Scheme::https ? "https" : "http";
        known.authority = url->authority();
    }
    auto made = std::make_unique<pipeline::Authentication>(clock, std::move(known));
    made->add_verifier(protocol::make_ethereum_credentials());
    made->add_verifier(protocol::make_succession_credentials());
    made->set_successions(successions);
    return made;
}

}  // namespace decloud::node
