#pragma once

#include <decloud/protocol/service.hpp>

#include <chrono>
#include <memory>

namespace decloud::pipeline::testing {

/// Answers that go on until they are cancelled, or cannot be written any more. Its methods:
/// "events", server-sent events; "silence", the head of some and nothing else; "frames", frames of
/// a WebSocket, each written in two parts with a pause between them; "text", for ten intervals,
/// which is an answer like any other. Each price is 50 of `kMeteredAsset`.
[[nodiscard]] std::unique_ptr<protocol::Service> make_endless_service(
    std::chrono::milliseconds interval);

}  // namespace decloud::pipeline::testing
