#pragma once

#include "dns_text.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/result.hpp>

#include <chrono>
#include <string>

namespace decloud::ipfs::internal {

/// Asks for the TXT records of `name`. `servers` is "ADDRESS:PORT,…"; if it is empty, those of
/// /etc/resolv.conf are asked, which is read each time. Keeps nothing, and needs no thread. Errors:
/// not_found if the name has none; timeout; invalid_input; unavailable if no server gives an
/// answer.
[[nodiscard]] async::Task<Result<DnsTexts>> query_dns_texts(
    std::string name, std::string servers, std::chrono::milliseconds limit);

}  // namespace decloud::ipfs::internal
