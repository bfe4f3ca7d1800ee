#include <decloud/base/bytes.hpp>
#include <decloud/ipfs/origin.hpp>
#include <decloud/ipfs/redirects.hpp>

#include <algorithm>
#include <cstdlib>

using decloud::ipfs::Redirects;

/// The first line is a path and a Host, the rest a `_redirects` file.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = decloud::as_text({data, size});
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    decloud::net::http::RequestHead head;
    head.headers.add("Host", line);
    const auto origin = decloud::ipfs::find_origin(
        head, {"localhost"}, [](std::string_view) { return false; }, true);
    (void)decloud::ipfs::subdomain_label(origin.space, origin.name);
    (void)decloud::ipfs::subdomain_label("ipns", line);
    const auto rules = Redirects::parse(text.substr(std::min(end + 1, text.size())));
    const auto match = rules ? rules->find(line) : std::nullopt;
    if (match && std::ranges::any_of(
                     match->location, [](unsigned char c) { return c <= 0x20 || c == 0x7f; })) {
        std::abort();
    }
    return 0;
}
