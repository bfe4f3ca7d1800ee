#include <decloud/net/websocket/frame.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

using namespace decloud;
using net::websocket::Role;

// A head that is read says how long it is, and writes as it was read.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const BytesView input(data, size);
    for (const Role sender : {Role::client, Role::server}) {
        const auto head = net::websocket::parse_frame_head(input, sender);
        if (!head || !*head) {
            continue;
        }
        const auto mask = sender == Role::client ? std::optional((*head)->mask) : std::nullopt;
        const Bytes written =
            net::websocket::encode_frame_head((*head)->opcode, (*head)->length, mask);
        if ((*head)->final && !std::equal(written.begin(), written.end(), input.begin(),
                                  input.begin() + static_cast<std::ptrdiff_t>((*head)->size))) {
            std::abort();
        }
    }
    return 0;
}
