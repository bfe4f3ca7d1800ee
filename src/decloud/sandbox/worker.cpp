#include "worker.hpp"

#include "internal/confine.hpp"
#include "internal/unpack_worker.hpp"
#include "native/launcher.hpp"
#include "oci/image_worker.hpp"
#include "wasm/compile_worker.hpp"
#include "wasm/run_worker.hpp"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <csignal>

namespace decloud::sandbox {

namespace {

constexpr int kSocketFd = 3;

std::string_view argument(std::span<char*> args, std::size_t index) {
    return index < args.size() ? std::string_view(args[index]) : std::string_view();
}

std::uint32_t number(std::string_view text, std::uint32_t otherwise) {
    std::uint32_t value = otherwise;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

int run_worker(std::span<char*> args) {
    const std::string_view kind = argument(args, 2);
    const auto accepted = internal::parse_accepted_layers(argument(args, 3));
    if (kind == "wasm") {
        return wasm::run_worker_main(kSocketFd, accepted, number(argument(args, 4), 16));
    }
    if (kind == "compile") {
        return wasm::compile_worker_main(kSocketFd, accepted);
    }
    if (kind == "unpack") {
        return internal::unpack_worker_main(kSocketFd, accepted);
    }
    if (kind == "image") {
        return oci::image_worker_main(kSocketFd, accepted);
    }
    if (kind == "launch") {
        return native::launcher_main(kSocketFd, accepted, number(argument(args, 4), 2));
    }
    return 64;
}

}  // namespace

bool is_worker(std::span<char*> args) {
    int type = 0;
    socklen_t size = sizeof type;
    return argument(args, 1) == "worker" &&
           ::getsockopt(kSocketFd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
           type == SOCK_SEQPACKET;
}

int worker_main(std::span<char*> args) {
    // If the node has died already, its end of the socket is closed, which ends the worker too.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::close_range(kSocketFd + 1, ~0U, 0);
    const int status = run_worker(args);
    // Threads may still be running: nothing is torn down under them.
    ::_exit(status);
}

}  // namespace decloud::sandbox
