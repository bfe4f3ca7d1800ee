#pragma once

#include "../context.hpp"

#include <decloud/async/task.hpp>
#include <decloud/client/http.hpp>

#include <functional>

namespace decloud::cli::internal {

/// `work` with the home's node.
[[nodiscard]] Outcome ask_node(
    const Context& context, std::function<async::Task<Outcome>(client::OperatorClient&)> work);

}  // namespace decloud::cli::internal
