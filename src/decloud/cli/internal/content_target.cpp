#include "content_target.hpp"

#include <decloud/client/error.hpp>

#include <unistd.h>

#include <algorithm>

namespace decloud::cli::internal {

Outcome bring(
    const Context& context, const std::function<Taken(client::OperatorClient&)>& content) {
    return ask_node(context, [&](client::OperatorClient& node) -> async::Task<Outcome> {
        CO_TRY(json::Object answer, co_await content(node));
        CO_TRY(const json::Array roots, json::array_member(answer, "roots"));
        std::string text;
        for (const json::Value& root : roots) {
            text += std::string(root.is_string() ? root.get_string() : "") + "\n";
        }
        if (!roots.empty()) {
            answer["cid"] = roots.front();
        }
        context.print(answer, text);
        co_return ExitCode::ok;
    });
}

Result<void> refuse_terminal(const std::string& target, const char* help) {
    if (target == "-" && isatty(STDIN_FILENO) != 0) {
        return fail_with_help(
            ClientError::usage, "standard input is a terminal, and nothing is asked for", help);
    }
    return {};
}

Result<ContentPath> parse_path(std::string text) {
    if (text.starts_with("/ipfs/")) {
        text.erase(0, 6);
    }
    const std::size_t end = std::min(text.find('/'), text.size());
    auto cid = multiformats::Cid::parse(text.substr(0, end));
    if (!cid) {
        return fail_with_help(ClientError::usage,
            "\"" + text.substr(0, end) + "\" is not a content id",
            "decloud content list shows those that are pinned here, decloud ls your functions' "
            "ids");
    }
    return ContentPath{.root = std::move(*cid), .path = text.substr(end)};
}

}  // namespace decloud::cli::internal
