#pragma once

#include "call_logs.hpp"
#include "call_output.hpp"
#include "deployments.hpp"
#include "run_metrics.hpp"

#include <decloud/protocol/service.hpp>
#include <decloud/sandbox/sandbox.hpp>

#include <chrono>
#include <memory>

namespace decloud::services {

/// The sandbox's form of what an owner asked for, but for its way out: see `make_egress`.
[[nodiscard]] sandbox::Manifest sandbox_manifest(const protocol::FunctionManifest& manifest);

/// What calls of functions have in common. All of it outlives them.
struct FunctionCallContext {
    async::Executor executor;
    sandbox::Sandbox& sandbox;
    SlowAnswers& slow_answers;
    AssetId asset;
    Amount price;
    /// How long a stream goes on for one price.
    std::chrono::milliseconds stream_interval;
    RunMetrics& runs;
    CallLogs& logs;
};

/// One call of a deployment.
[[nodiscard]] std::unique_ptr<protocol::PreparedCall> make_function_call(
    FunctionCallContext& context,
    std::shared_ptr<const Deployment> deployment,
    std::shared_ptr<const protocol::Call> call);

}  // namespace decloud::services
