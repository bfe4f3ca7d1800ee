#pragma once

#include "own_node.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/result.hpp>
#include <decloud/client/http.hpp>
#include <decloud/multiformats/cid.hpp>

#include <functional>
#include <string>

namespace CLI {
class App;
}

namespace decloud::cli::internal {

/// What the node answers when it has taken something.
using Taken = async::Task<Result<json::Object>>;

/// Has the node take `content`, and prints the roots.
[[nodiscard]] Outcome bring(
    const Context& context, const std::function<Taken(client::OperatorClient&)>& content);

/// Error: usage, with `help`, if `target` is "-" and standard input a terminal.
[[nodiscard]] Result<void> refuse_terminal(const std::string& target, const char* help);

/// "CID", "CID/path" or "/ipfs/CID/path".
struct ContentPath {
    multiformats::Cid root;
    std::string path;
};

/// Error: ClientError::usage with what to do.
[[nodiscard]] Result<ContentPath> parse_path(std::string text);

/// `import`, `export` and `inspect` of CAR files.
void add_car_verbs(CLI::App& content, Context& context);

}  // namespace decloud::cli::internal
