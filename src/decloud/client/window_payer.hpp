#pragma once

#include "account_signer.hpp"
#include "chain_session.hpp"
#include "lane.hpp"
#include "payer.hpp"
#include "spending.hpp"

#include <decloud/async/event.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/json.hpp>
#include <decloud/net/http/client.hpp>
#include <decloud/payments/window_message.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace decloud::client {

class Wallet;

/// Where a payer by windows keeps what it must not forget, and how much it risks at once.
struct WindowPayerSettings {
    /// The home's `lanes()` and `wallets()`.
    std::filesystem::path lanes;
    std::filesystem::path wallets;
    /// Reserved in the escrow when a channel is opened, and again when it is used up.
    Amount budget{1'000'000};
    /// Calls that one voucher is for: the most that is lost with a provider that vanishes.
    std::uint64_t calls_per_voucher = 32;
};

/// Pays one of our providers by vouchers of a channel of the account's own, which it opens and tops
/// up in the escrow as the limits allow. One voucher and one key are for many calls
/// (payments::WindowPayment). What it has lost, it asks the provider for, and believes what its own
/// signature proves. Bodies are read whole before they are sent, as their digest is signed. Single
/// threaded.
class WindowPayer final : public PaymentStrategy {
  public:
    /// All of them outlive it.
    WindowPayer(net::http::Client& client,
        ChainSession& session,
        const AccountSigner& signer,
        SpendingBook& book,
        WindowPayerSettings settings,
        const Clock& clock);
    ~WindowPayer() override;

    [[nodiscard]] async::Task<Result<bool>> can_pay(PayableRequest request) override;
    [[nodiscard]] async::Task<Result<Answer>> send(
        PayableRequest request, RequestRoute route) override;

  private:
    struct Account;
    struct Sent;

    [[nodiscard]] async::Task<Result<std::shared_ptr<Account>>> account_with(
        std::optional<registry::Provider> provider);
    [[nodiscard]] async::Task<Result<void>> open(std::shared_ptr<Account> account);
    [[nodiscard]] async::Task<Result<void>> top_up(std::shared_ptr<Account> account, Amount need);
    [[nodiscard]] async::Task<Result<Amount>> provide(
        std::shared_ptr<Wallet> wallet, Amount wanted);
    [[nodiscard]] async::Task<Result<void>> with_wallet(
        std::function<async::Task<Result<void>>(std::shared_ptr<Wallet>)> work);
    [[nodiscard]] async::Task<Result<void>> use_wallet(
        std::function<async::Task<Result<void>>(std::shared_ptr<Wallet>)> work);
    [[nodiscard]] async::Task<Result<std::optional<Answer>>> prepare(
        std::shared_ptr<Account> account,
        PayableRequest request,
        RequestRoute route,
        crypto::Sha256Digest digest,
        bool again);
    [[nodiscard]] async::Task<Result<std::optional<Answer>>> ask_price(
        std::shared_ptr<Account> account,
        PayableRequest request,
        RequestRoute route,
        crypto::Sha256Digest digest);
    [[nodiscard]] async::Task<Result<void>> sign_enough(
        std::shared_ptr<Account> account, Amount price, PayableRequest request, RequestRoute route);
    [[nodiscard]] async::Task<Result<Sent>> send_paid(std::shared_ptr<Account> account,
        PayableRequest request,
        RequestRoute route,
        crypto::Sha256Digest digest,
        std::uint64_t sequence);
    [[nodiscard]] Result<void> open_window(Account& account);
    [[nodiscard]] Result<payments::WindowPayment> make_payment(
        Account& account, const Bytes32& request_digest, std::uint64_t sequence);
    [[nodiscard]] Result<void> learn(Account& account, const json::Object& problem);

    net::http::Client& client_;
    ChainSession& session_;
    const AccountSigner& signer_;
    SpendingBook& book_;
    WindowPayerSettings settings_;
    const Clock& clock_;
    std::map<Address, std::shared_ptr<Account>> accounts_;
};

}  // namespace decloud::client
