#include "random.hpp"

#include <decloud/base/log.hpp>
#include <decloud/base/result.hpp>

#include <sys/random.h>

#include <cerrno>
#include <cstdlib>

namespace decloud::crypto {

void fill_random(std::span<std::uint8_t> target) {
    while (!target.empty()) {
        const ssize_t count = getrandom(target.data(), target.size(), 0);
        if (count < 0) {
            if (errno == EINTR) {
                continue;
            }
            log::error("crypto", "{}", errno_error("getrandom").message());
            std::abort();
        }
        target = target.subspan(static_cast<std::size_t>(count));
    }
}

Bytes random_bytes(std::size_t count) {
    Bytes out(count);
    fill_random(out);
    return out;
}

}  // namespace decloud::crypto
