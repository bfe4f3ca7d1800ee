#pragma once

#include "call_logs.hpp"
#include "deployments.hpp"
#include "spent_statements.hpp"

#include <decloud/protocol/service.hpp>

#include <memory>

namespace decloud::services {

/// What reading logs needs. All of it outlives the calls.
struct LogsContext {
    Deployments& deployments;
    CallLogs& logs;
    SpentStatements& spent;
    /// For the disk.
    boost::asio::thread_pool& pool;
};

/// `POST /oc/v1/compute/logs?arg=CID[&arg=follow]`: what is kept of a deployment's calls, as lines
/// of JSON, to its owner alone, who proves it by an authorisation that works once. With `follow` it
/// goes on until the reader leaves. Free.
[[nodiscard]] std::unique_ptr<protocol::PreparedCall> make_logs_call(
    LogsContext& context, multiformats::Cid cid, std::shared_ptr<const protocol::Call> call);

}  // namespace decloud::services
