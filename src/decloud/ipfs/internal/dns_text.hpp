#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace decloud::ipfs::internal {

/// Of questions and records (RFC 1035 §3.2): the type TXT, the class of the internet.
inline constexpr std::uint16_t kTextType = 16;
inline constexpr std::uint16_t kInternetClass = 1;

/// What a DNS server answered to a question for TXT records.
struct DnsTexts {
    /// One for each record, its strings joined (RFC 7208 §3.3).
    std::vector<std::string> texts;
    /// The shortest of the answer, aliases included.
    std::chrono::seconds ttl{};
};

/// Takes a DNS message (RFC 1035 §4) apart. Errors: invalid_input; not_found if it holds no TXT
/// record.
[[nodiscard]] Result<DnsTexts> parse_dns_texts(BytesView message);

}  // namespace decloud::ipfs::internal
