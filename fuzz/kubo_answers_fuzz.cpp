#include <decloud/base/bytes.hpp>
#include <decloud/kubo/internal/answers.hpp>

#include <algorithm>
#include <cstdlib>

using namespace decloud;

/// Every answer of Kubo's that is read.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text({data, size});
    for (const auto& read :
        {kubo::internal::read_message(text), kubo::internal::read_version(text)}) {
        if (read && (read->size() > 300 || std::ranges::any_of(*read, [](char c) {
                return static_cast<unsigned char>(c) < ' ';
            }))) {
            std::abort();
        }
    }
    (void)kubo::internal::read_imported_blocks(text);
    (void)kubo::internal::read_is_unsynced(text);
    return 0;
}
