#include "trials.hpp"

#include <decloud/contracts/escrow.hpp>

#include <algorithm>

namespace decloud::client {

namespace abi = contracts::escrow;

namespace {

constexpr std::uint64_t kLogRange = 10'000;

}  // namespace

async::Task<Result<std::vector<TrialReport>>> read_trials(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    ChainSession& session,
    Address provider) {
    CO_TRY(const std::uint64_t head, co_await session.ethereum().block_number());
    Bytes32 topic;
    std::ranges::copy(provider.bytes, topic.bytes.begin() + 12);
    std::vector<TrialReport> out;
    for (std::uint64_t from = session.config().first_block; from <= head; from += kLogRange) {
        chain::LogFilter filter{.addresses = {session.config().contracts.escrow},
            .topics = {{abi::TrialGrantedEvent::kTopic}, {topic}},
            .from_block = from,
            .to_block = std::min(head, from + kLogRange - 1)};
        CO_TRY(const auto logs, co_await session.ethereum().get_logs(std::move(filter)));
        for (const chain::Log& log : logs) {
            CO_TRY(const auto event,
                abi::TrialGrantedEvent::decode({.topics = log.topics, .data = log.data}));
            if (std::ranges::find(out, event.user, &TrialReport::user) == out.end()) {
                out.push_back({event.user, {}});
            }
        }
    }
    for (TrialReport& report : out) {
        CO_TRY(report.trial, co_await session.escrow().trial(provider, report.user));
    }
    co_return out;
}

}  // namespace decloud::client
