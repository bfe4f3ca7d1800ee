#include <decloud/base/bytes.hpp>
#include <decloud/ipfs/dns_links.hpp>
#include <decloud/ipfs/internal/dns_text.hpp>
#include <decloud/ipfs/names.hpp>

#include <cstdlib>

/// An answer of a DNS server, and its first half as a domain.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const decloud::BytesView message(data, size);
    (void)decloud::ipfs::is_domain(decloud::as_text(message.first(size / 2)));
    const auto answer = decloud::ipfs::internal::parse_dns_texts(message);
    if (!answer) {
        return 0;
    }
    std::size_t held = 0;
    for (const std::string& text : answer->texts) {
        held += text.size();
    }
    const auto path = decloud::ipfs::dnslink_of("a.example", answer->texts);
    if (held > size || answer->ttl.count() < 0 || (path && !path->starts_with("/ip"))) {
        std::abort();
    }
    return 0;
}
