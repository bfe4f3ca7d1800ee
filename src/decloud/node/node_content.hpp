#pragma once

#include <decloud/net/http/server.hpp>
#include <decloud/services/content/content_service.hpp>

namespace decloud::node {

/// The operator's own content: `import` keeps a CAR without a quota, `add` a file of which it gets
/// the bytes, `export` gives a CAR, `file` the bytes of a file, `list` names what is kept. The
/// context outlives the tasks.
[[nodiscard]] async::Task<void> import_content(
    net::http::Exchange exchange, services::ContentContext& context);
[[nodiscard]] async::Task<void> add_file(
    net::http::Exchange exchange, services::ContentContext& context);
[[nodiscard]] async::Task<void> export_content(
    net::http::Exchange exchange, services::ContentContext& context);
[[nodiscard]] async::Task<void> send_file(
    net::http::Exchange exchange, services::ContentContext& context);
[[nodiscard]] async::Task<void> list_content(
    net::http::Exchange exchange, services::ContentContext& context);

/// The value of `name` in a query, percent-decoded; empty if it is not there.
[[nodiscard]] std::string query_value(std::string_view query, std::string_view name);

}  // namespace decloud::node
