#include <decloud/protocol/peer_record.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace decloud;

// A record that is read is the text that it was read from, within its limits.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto record = protocol::parse_peer_record(text, {1'800'000'000});
    if (record && (record->text != text || record->addresses.empty() ||
                      text.size() > protocol::kMaxPeerRecordBytes)) {
        std::abort();
    }
    return 0;
}
