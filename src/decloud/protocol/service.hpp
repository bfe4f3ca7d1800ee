#pragma once

#include "call.hpp"
#include "deployment.hpp"
#include "problem.hpp"
#include "service_description.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/units.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace decloud::protocol {

/// Who pays when the request itself brings no payment: the owner of a deployment, within their
/// terms.
struct Sponsor {
    Address owner;
    /// Never null. Shared with the deployment: a list of callers may be long.
    std::shared_ptr<const OwnerPays> terms;
    /// What the owner's signature allows for one call.
    Amount max_price;
};

/// What a valid call will cost at most, and whom it concerns.
struct Terms {
    AssetId asset;
    /// Zero: nothing is held or charged.
    Amount max_price;
    std::optional<Sponsor> sponsor;
    /// What is called, for receipts and caps: the cid for `compute`.
    std::string subject;
    /// The content id of the program that runs; null: none does.
    std::shared_ptr<const std::string> program{};
    std::uint64_t max_request_bytes = 10 * kMiB;
    /// The most of each unit of the service that it may count; one call if it is not said.
    UnitCounts units{};
    /// The one of them by which the method's work is measured.
    std::string unit = "call";
    /// True if the service needs to know which account asks, even where nothing is charged.
    bool needs_caller = false;
    /// True if it pays off what was promised: with money only, of as many calls of a channel as
    /// that takes.
    bool pays_debt = false;
    /// How long an answer that is a stream may go on for `max_price`; each further interval that
    /// begins costs as much again. Zero: one price pays for all of it.
    std::chrono::milliseconds stream_interval{};
};

/// The money side of a running call, as a service sees it.
class Charge {
  public:
    virtual ~Charge() = default;
    /// The account that pays or, where nothing is charged, the one that signed the authorisation.
    [[nodiscard]] virtual std::optional<Address> caller() const = 0;
    /// The most that can be charged so far, in the terms' asset; zero if nothing is held.
    [[nodiscard]] virtual Amount held() const = 0;
    /// Holds more for a call that goes on. Errors: the payment method's.
    virtual Result<void> extend(Amount more) = 0;
};

/// How a call ended, for the pipeline to settle and record.
struct Completion {
    /// What is charged; at most what is held. Ignored for a fault of the provider.
    Amount actual;
    /// What it counted of each unit, in thousandths; nothing if the service does not tell.
    UnitThousandths delivered{};
    /// Set if the answer is a problem (nothing was sent or started yet).
    std::optional<Problem> problem;
    /// The provider's own fault: nothing is charged.
    bool provider_fault = false;
    /// The answer was started and cannot be completed: the connection is cut.
    bool broken = false;

    /// A complete answer for which `actual` is charged.
    static Completion charged(Amount actual, UnitThousandths delivered = {}) {
        return {.actual = actual, .delivered = std::move(delivered), .problem = {}};
    }
    /// A problem that the caller's program or request is to blame for: `actual` is charged.
    static Completion charged_problem(Amount actual, Problem problem) {
        return {.actual = actual, .problem = std::move(problem)};
    }
    /// The provider's fault: `problem` is the answer, nothing is charged.
    static Completion failed(Problem problem) {
        return {.actual = {}, .problem = std::move(problem), .provider_fault = true};
    }
};

/// A call that was found valid and waits for admission. Used once.
class PreparedCall {
  public:
    virtual ~PreparedCall() = default;
    /// What it costs at most. Lives as long as this object.
    [[nodiscard]] virtual const Terms& terms() const = 0;
    /// Runs it. Called once, after admission. `gone` fires when the client has hung up. All three
    /// live until the task ends.
    [[nodiscard]] virtual async::Task<Completion> serve(
        RequestBody& body, Responder& responder, Charge& charge, async::CancellationToken gone) = 0;
};

/// Something callable. Registered once under its name; never sees an unadmitted request. Single
/// threaded.
class Service {
  public:
    virtual ~Service() = default;
    /// The `{service}` of `/oc/v1/{service}/{method}`. Lives as long as this object.
    [[nodiscard]] virtual std::string_view name() const = 0;
    /// What it offers. `info`, `methods` and `quote` are answered from it; a service may have a
    /// method of such a name itself.
    [[nodiscard]] virtual ServiceDescription description() const {
        return {.name = std::string(name())};
    }
    /// The same as it is for whoever makes this call, at the prices that they would pay.
    [[nodiscard]] virtual ServiceDescription description_for(const Call& /*call*/) const {
        return description();
    }
    /// The first stage: is the call valid, and what may it cost?
    [[nodiscard]] virtual async::Task<Checked<std::unique_ptr<PreparedCall>>> prepare(
        std::shared_ptr<const Call> call) = 0;
};

}  // namespace decloud::protocol
