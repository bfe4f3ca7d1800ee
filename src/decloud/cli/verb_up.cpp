#include "up.hpp"
#include "verbs.hpp"

#include <CLI/CLI.hpp>

#include <memory>

namespace decloud::cli {

void add_up(CLI::App& app, Context& context) {
    const auto options = std::make_shared<UpOptions>();
    CLI::App* verb = app.add_subcommand("up",
        "A whole local cloud: chain, funded account, provider, gateway and examples, each called "
        "and paid once");
    verb->add_option("--chain-port", options->chain_port, "Port of the chain; 0: any free one")
        ->capture_default_str();
    verb->add_option("--node-port", options->node_port, "Port of the provider")
        ->capture_default_str();
    verb->add_option("--console-port", options->console_port, "Port of the provider's console")
        ->capture_default_str();
    verb->add_option("--gateway-port", options->gateway_port, "Port of the gateway")
        ->capture_default_str();
    verb->add_option("--examples", options->examples, "The folder of the examples")
        ->type_name("DIR");
    verb->add_flag("--once", options->once, "Exit when everything was called, settled and checked");
    verb->add_flag("--x402-defaults", options->x402_defaults,
        "Chain id 84532 with the test USDC where x402's clients expect it; x402 pays the provider");
    verb->callback([&context, options] {
        context.action = [&context, options] { return run_up(context, *options); };
    });
}

}  // namespace decloud::cli
