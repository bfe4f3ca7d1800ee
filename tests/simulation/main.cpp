// Payers, providers and a chain that do what they should not, under a virtual clock:
// money_simulation ROOT [--seed N]
// [--steps N] [--calls N] [--without BOUND]…   Prints what was seen of each bound. Exit code 1: a
// bound was passed.

#include "simulation.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/base/log.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <exception>
#include <optional>
#include <string_view>
#include <vector>

namespace {

using namespace decloud;              // NOLINT(google-build-using-namespace)
using namespace decloud::simulation;  // NOLINT(google-build-using-namespace)

std::optional<Settings> settings_from(const std::vector<std::string_view>& words) {
    if (words.empty()) {
        return std::nullopt;
    }
    Settings settings;
    settings.root = words[0];
    for (std::size_t i = 1; i + 1 < words.size(); i += 2) {
        std::uint64_t number = 0;
        (void)std::from_chars(words[i + 1].begin(), words[i + 1].end(), number);
        if (words[i] == "--seed") {
            settings.seed = number;
        } else if (words[i] == "--steps") {
            settings.steps = number;
        } else if (words[i] == "--calls") {
            settings.calls_per_step = number;
        } else if (const auto bound = bound_named(words[i + 1]); words[i] == "--without" && bound) {
            settings.without.insert(*bound);
        } else {
            return std::nullopt;
        }
    }
    return words.size() % 2 == 1 ? std::optional(settings) : std::nullopt;
}

int simulate(const Settings& settings) {
    boost::asio::io_context context{1};
    Simulation simulation(context.get_executor(), settings);
    std::exception_ptr problem;
    boost::asio::co_spawn(context, simulation.run(), [&](std::exception_ptr error) {
        problem = std::move(error);
        context.stop();
    });
    context.run();
    if (problem) {
        std::rethrow_exception(problem);
    }
    fmt::print("{}{}", simulation.totals(), simulation.bounds().distribution());
    if (const auto& broken = simulation.bounds().broken()) {
        fmt::print("  passed: {}: {}\n", name_of(broken->first), broken->second);
        return 1;
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const auto settings = settings_from({argv + 1, argv + argc});
    if (!settings) {
        fmt::print(stderr,
            "usage: money_simulation ROOT [--seed N] [--steps N] [--calls N] [--without BOUND]…\n");
        return 64;
    }
    log::initialise(log::Level::error, {});
    return simulate(*settings);
}
