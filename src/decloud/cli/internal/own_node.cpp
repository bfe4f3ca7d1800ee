#include "own_node.hpp"

namespace decloud::cli::internal {

Outcome ask_node(
    const Context& context, std::function<async::Task<Outcome>(client::OperatorClient&)> work) {
    TRY(const Workspace workspace, context.open());
    return run([&](async::Executor executor) {
        return with_http(executor, [&](net::http::Client& http) -> async::Task<Outcome> {
            client::OperatorClient node(http, workspace.home.operator_socket().string());
            co_return co_await work(node);
        });
    });
}

}  // namespace decloud::cli::internal
