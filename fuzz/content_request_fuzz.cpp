#include <decloud/base/bytes.hpp>
#include <decloud/ipfs/content_request.hpp>

#include <cstdlib>
#include <string>

using decloud::ipfs::parse_content_request;

/// The first line is the target, the second Accept, the third Range.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest = decloud::as_text({data, size});
    const auto line = [&rest] {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        const std::string_view taken = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        return taken;
    };
    decloud::net::http::RequestHead head{.method = "GET", .target = "/" + std::string(line())};
    head.headers.add("Accept", line());
    const auto request = parse_content_request(head);
    if (request &&
        (request->name.empty() || request->segments.size() > decloud::ipfs::kMaxSegments)) {
        std::abort();
    }
    const auto choice = decloud::ipfs::choose_range(line(), 1000);
    if (choice.range && (choice.range->first > choice.range->last || choice.range->last >= 1000)) {
        std::abort();
    }
    return 0;
}
