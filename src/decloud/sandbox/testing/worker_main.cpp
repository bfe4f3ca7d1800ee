#include <decloud/sandbox/worker.hpp>

#include <cstddef>

/// The smallest program that can be a worker: what `apps/decloud` does first in its main.
int main(int count, char** arguments) {
    const std::span<char*> args(arguments, static_cast<std::size_t>(count));
    return decloud::sandbox::is_worker(args) ? decloud::sandbox::worker_main(args) : 64;
}
