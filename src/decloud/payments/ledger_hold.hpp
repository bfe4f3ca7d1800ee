#pragma once

#include "channel_directory.hpp"
#include "ledger.hpp"

#include <decloud/protocol/payment_method.hpp>

#include <memory>
#include <optional>

namespace decloud::payments {

/// What bounds the further intervals of a stream, beside the payer's money.
struct IntervalBounds {
    /// What the payer has agreed to for all of the call; none: for each interval as for a call.
    std::optional<Amount> most;
    /// Asked whether paid calls are served at all; null: they are. Outlives the hold.
    const ChannelDirectory* channels = nullptr;
};

/// What the ledger keeps of what the pipeline says about a call.
[[nodiscard]] CallRecord call_record_of(protocol::CallSummary summary);

/// A hold in the ledger, as the pipeline sees it. Releases what was not committed. `ledger`
/// outlives it.
class LedgerHold final : public protocol::PaymentHold {
  public:
    /// `counts_calls`: the asset is calls (a trial), so one unit is charged whatever the price.
    LedgerHold(Ledger& ledger,
        HoldId id,
        std::optional<Address> payer,
        Amount held,
        bool counts_calls,
        IntervalBounds bounds = {})
        : ledger_(ledger),
          id_(id),
          payer_(payer),
          held_(held),
          counts_calls_(counts_calls),
          bounds_(bounds) {}
    ~LedgerHold() override;
    LedgerHold(const LedgerHold&) = delete;
    LedgerHold& operator=(const LedgerHold&) = delete;

    [[nodiscard]] std::optional<Address> payer() const override { return payer_; }
    [[nodiscard]] Amount held() const override { return held_; }
    Result<void> extend(Amount more) override;
    [[nodiscard]] async::Task<Result<void>> hold_interval(Amount price) override;
    Result<std::string> commit_interval(Amount actual, protocol::CallSummary summary) override;
    [[nodiscard]] async::Task<Result<void>> ready() override { return ledger_.begin(id_); }
    [[nodiscard]] bool try_ready() override { return ledger_.try_begin(id_); }
    [[nodiscard]] async::Task<Result<void>> served() override { return ledger_.served(id_); }
    [[nodiscard]] bool try_served() override { return ledger_.try_served(id_); }
    Result<std::string> commit(Amount actual, protocol::CallSummary summary) override;
    void release(std::string_view reason) override;

  private:
    Ledger& ledger_;
    HoldId id_;
    std::optional<Address> payer_;
    Amount held_;
    bool counts_calls_;
    IntervalBounds bounds_;
    /// In the intervals that have elapsed.
    Amount charged_;
    bool ended_ = false;
};

/// Where nothing is charged: knows who asks and holds no money.
class IdentityHold final : public protocol::PaymentHold {
  public:
    /// `caller` is whom the request's signature names; already verified.
    explicit IdentityHold(Address caller) : caller_(caller) {}
    [[nodiscard]] std::optional<Address> payer() const override { return caller_; }
    [[nodiscard]] Amount held() const override { return {}; }
    Result<void> extend(Amount /*more*/) override {
        return fail(CommonError::unavailable, "nothing is paid for this call");
    }
    [[nodiscard]] async::Task<Result<void>> ready() override { co_return Result<void>{}; }
    [[nodiscard]] async::Task<Result<void>> served() override { co_return Result<void>{}; }
    Result<std::string> commit(Amount /*actual*/, protocol::CallSummary /*summary*/) override {
        return std::string();
    }
    void release(std::string_view /*reason*/) override {}

  private:
    Address caller_;
};

}  // namespace decloud::payments
