#include "internal/run.hpp"

#include <decloud/protocol/quote.hpp>
#include <decloud/protocol/structured_fields.hpp>

#include <algorithm>
#include <string_view>

namespace decloud::pipeline {

using protocol::Checked;
using protocol::Completion;

namespace {

/// "60;price=1000": seconds, and what each interval costs in the smallest unit of the asset.
std::string interval_field(const protocol::Terms& terms, Amount price) {
    protocol::Item item{.value = protocol::Decimal{terms.stream_interval.count()}};
    if (terms.stream_interval.count() % 1000 == 0) {
        item.value = terms.stream_interval.count() / 1000;
    }
    item.parameters = {{"price", static_cast<std::int64_t>(price.units())}};
    return protocol::serialize_item(item).value_or("");
}

}  // namespace

void Pipeline::begin_stream(Run& run, net::http::ResponseHead& head) {
    run.intervals = std::make_unique<IntervalCharging>(run.executor,
        IntervalCharging::Stream{.hold = *run.hold,
            .interval = run.terms().stream_interval,
            .most = run.call->quote ? std::optional(run.call->quote->amount) : std::nullopt,
            .admit = [this, &run] { return admit_again(run); },
            .summary =
                [&run] {
                    return run.summary(
                        run.responder->status(), Bytes32{}, run.responder->body_bytes());
                },
            .stop = [&run] { return stop_stream(run); }});
    run.intervals->begin();
    head.headers.set("OpenCloud-Interval", interval_field(run.terms(), run.intervals->price()));
}

// NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
async::Task<Checked<void>> Pipeline::admit_again(Run& run) {
    if (auto verdict = co_await ask_rules(run); !verdict) {
        co_return std::unexpected(std::move(verdict.error()));
    }
    co_return Checked<void>{};
}

async::Task<void> Pipeline::stop_stream(Run& run) {
    co_await run.responder->stop();
    run.stop.cancel();
}

async::Task<Completion> Pipeline::end_stream(Run& run, Completion completion) {
    co_await run.intervals->end();
    completion.actual = std::min(completion.actual, run.intervals->price());
    if (const auto calls = completion.delivered.find("call"); calls != completion.delivered.end()) {
        calls->second *= run.intervals->intervals();
    }
    if (run.intervals->stopped() && !completion.provider_fault) {
        // It was not the program that broke it off.
        completion.actual = run.intervals->price();
        completion.problem.reset();
        completion.broken = false;
    }
    co_return completion;
}

}  // namespace decloud::pipeline
