#include <decloud/cli/main.hpp>
#include <decloud/sandbox/worker.hpp>

#include <cstddef>
#include <span>

int main(int argc, char** argv) {
    const std::span<char*> args(argv, static_cast<std::size_t>(argc));
    // Workers run untrusted programs: they start with nothing of what follows.
    if (decloud::sandbox::is_worker(args)) {
        return decloud::sandbox::worker_main(args);
    }
    return decloud::cli::main(args);
}
