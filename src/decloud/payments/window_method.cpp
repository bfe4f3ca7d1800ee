#include "window_method.hpp"

#include "internal/open_windows.hpp"
#include "ledger_hold.hpp"
#include "window_message.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/log.hpp>

#include <algorithm>

namespace decloud::payments {

using internal::OpenWindow;
using protocol::Checked;
using protocol::HoldOutcome;
using protocol::Problem;
using protocol::Status;
using protocol::Terms;

namespace {

class InspectedWindow final : public protocol::InspectedPayment {
  public:
    explicit InspectedWindow(WindowPayment payment) : payment_(std::move(payment)) {}
    [[nodiscard]] const WindowPayment& payment() const { return payment_; }

  private:
    WindowPayment payment_;
};

json::Object channel_json(const Bytes32& id, const PayerView& view) {
    const AcceptedVoucher voucher = view.voucher.value_or(AcceptedVoucher{});
    json::Object out;
    out["channelId"] = to_string(id);
    out["payer"] = view.chain.owner;
    out["signer"] = to_string(view.chain.signer);
    out["reserved"] = to_string(view.chain.reserved);
    out["claimed"] = to_string(view.chain.claimed_on_chain);
    out["accepted"] = to_string(voucher.cumulative);
    if (view.voucher) {
        out["signature"] = to_hex_prefixed(voucher.signature.view());
    }
    out["firstSequence"] = std::to_string(voucher.first_sequence);
    out["spent"] = to_string(view.spent.amount);
    out["held"] = to_string(view.held);
    out["closing"] = view.chain.closing || view.chain.is_final;
    return out;
}

class WindowMethod final : public protocol::PaymentMethod {
  public:
    WindowMethod(EscrowCharging& charging,
        identity::Domain domain,
        KeyOpener opener,
        WindowSettings settings)
        : charging_(charging),
          domain_(domain),
          opener_(std::move(opener)),
          settings_(settings),
          windows_(settings.max_windows) {}

    [[nodiscard]] std::string_view name() const override { return kWindowMethod; }

    [[nodiscard]] bool handles(const protocol::Call& call, const Terms& terms) const override {
        return call.payment.type == protocol::PaymentHeader::Type::attached &&
               call.payment.method == name() &&
               (terms.asset == charging_.asset || terms.max_price.is_zero());
    }

    [[nodiscard]] bool needs_digest() const override { return true; }

    [[nodiscard]] Checked<std::shared_ptr<const protocol::InspectedPayment>> inspect(
        const protocol::Call& call, const Terms& /*terms*/) const override {
        auto payment = parse_window_payment(call.payment);
        if (!payment) {
            return protocol::refuse(
                400, Status::bad_request, std::string(payment.error().detail()));
        }
        return std::make_shared<const InspectedWindow>(std::move(*payment));
    }

    [[nodiscard]] async::Task<Checked<HoldOutcome>> hold(protocol::PaymentRequest request) override;

    [[nodiscard]] std::vector<protocol::AcceptablePayment> acceptable(
        const Terms& terms) const override {
        if (terms.asset != charging_.asset) {
            return {};
        }
        return {{"attached", std::string(name()), terms.asset, terms.max_price}};
    }

  private:
    [[nodiscard]] UnixSeconds now() const { return charging_.clock.unix_seconds(); }
    [[nodiscard]] async::Task<Checked<PayerView>> find_channel(
        const Bytes32& id, const Terms& terms);
    [[nodiscard]] async::Task<Checked<void>> take_statements(
        const WindowPayment& payment, const PayerView& view);
    [[nodiscard]] Checked<void> take_voucher(
        const identity::Signed<identity::Voucher>& voucher, const PayerView& view);
    [[nodiscard]] async::Task<Checked<void>> open_window(
        const WindowPayment::Opening& opening, const PayerView& view);
    [[nodiscard]] Checked<void> check_window(
        const identity::Signed<identity::Window>& window, const PayerView& view) const;
    [[nodiscard]] Checked<void> accept(const PayerAccount& account, const AcceptedVoucher& voucher);
    [[nodiscard]] Checked<void> check_mac(
        const WindowPayment& payment, const Bytes32& digest) const;
    [[nodiscard]] async::Task<Checked<HoldOutcome>> hold_price(const WindowPayment& payment,
        const PayerView& view,
        const protocol::PaymentRequest& request);
    [[nodiscard]] std::unexpected<Problem> refused(
        Status status, const Bytes32& channel, std::string detail, std::string help) const;
    [[nodiscard]] std::optional<HoldOutcome> find_repeat(
        const std::string& key, const Bytes32& digest) const;

    EscrowCharging& charging_;
    identity::Domain domain_;
    KeyOpener opener_;
    WindowSettings settings_;
    internal::OpenWindows windows_;
};

std::unexpected<Problem> WindowMethod::refused(
    Status status, const Bytes32& channel, std::string detail, std::string help) const {
    Problem problem = protocol::payment_required(status, std::move(detail), std::move(help), {});
    if (const auto view = charging_.ledger.payer(channel_account(channel))) {
        problem.channel = channel_json(channel, *view);
    }
    return std::unexpected(std::move(problem));
}

async::Task<Checked<PayerView>> WindowMethod::find_channel(const Bytes32& id, const Terms& terms) {
    const auto account = channel_account(id);
    if (charging_.ledger.find(account) == nullptr) {
        if (const auto asked = co_await charging_.channels.find_channel(id); !asked) {
            co_return protocol::refuse(503, Status::server_error,
                "the chain cannot be asked about this channel now; nothing was charged");
        }
    }
    auto view = charging_.ledger.payer(account);
    if (!view || view->chain.signer.is_zero()) {
        co_return refused(Status::payment_acceptable, id,
            to_string(id) + " is no channel with a signer for " + charging_.provider_name +
                " in a final block",
            "decloud call --pay " + terms.subject + " opens one");
    }
    if (const auto& reason = view->stopped) {
        co_return refused(Status::payment_acceptable, id,
            "nothing more is served from this channel: " + *reason,
            "decloud call --pay " + terms.subject + " opens another");
    }
    if (view->chain.reserved < settings_.least_budget) {
        co_return refused(Status::payment_too_low, id,
            "channels have at least " + format_usdc(settings_.least_budget) + " USDC here",
            "open one with a larger budget");
    }
    co_return std::move(*view);
}

Checked<void> WindowMethod::accept(const PayerAccount& account, const AcceptedVoucher& voucher) {
    const auto accepted = charging_.ledger.accept(account, voucher);
    if (!accepted) {
        return std::unexpected(protocol::problem_from(accepted.error()));
    }
    return {};
}

Checked<void> WindowMethod::take_voucher(
    const identity::Signed<identity::Voucher>& voucher, const PayerView& view) {
    const AcceptedVoucher known = view.voucher.value_or(AcceptedVoucher{});
    const Amount cumulative(voucher.fields.cumulative_amount);
    if (cumulative <= known.cumulative) {
        return {};
    }
    const auto signer = identity::signer_of(voucher, domain_);
    if (!signer || *signer != view.chain.signer) {
        return protocol::refuse(401, Status::invalid_signature,
            "the voucher is not signed by the channel's signer, " + to_string(view.chain.signer));
    }
    if (cumulative > view.chain.reserved) {
        return refused(Status::payment_too_low, voucher.fields.channel_id,
            "the voucher is over " + format_usdc(cumulative) + " USDC, the channel has " +
                format_usdc(view.chain.reserved) + " in final blocks",
            "increase the channel, or sign less");
    }
    return accept(view.payer, {cumulative, voucher.signature, known.first_sequence});
}

Checked<void> WindowMethod::check_window(
    const identity::Signed<identity::Window>& window, const PayerView& view) const {
    const std::uint64_t seconds = now().value;
    if (window.fields.valid_before <= seconds) {
        return protocol::refuse(401, Status::invalid_signature, "the window has expired",
            "sign a new one; check this machine's clock");
    }
    if (window.fields.valid_before > seconds + kLongestWindowSeconds) {
        return protocol::refuse(401, Status::invalid_signature,
            "validBefore lies more than 10 minutes ahead", "sign a shorter one");
    }
    if (view.voucher && window.fields.first_sequence < view.voucher->first_sequence) {
        return refused(Status::payment_acceptable, window.fields.channel_id,
            "a later window was opened on this channel", "begin at a higher sequence");
    }
    const auto signer = identity::signer_of(window, domain_);
    if (!signer || *signer != view.chain.signer) {
        return protocol::refuse(401, Status::invalid_signature,
            "the window is not signed by the channel's signer, " + to_string(view.chain.signer));
    }
    return {};
}

async::Task<Checked<void>> WindowMethod::open_window(
    const WindowPayment::Opening& opening, const PayerView& view) {
    const identity::Window& fields = opening.window.fields;
    const OpenWindow* newest = windows_.newest(fields.channel_id);
    if (newest != nullptr && newest->key_hash == fields.key_hash &&
        newest->first_sequence == fields.first_sequence) {
        co_return Checked<void>{};
    }
    if (auto checked = check_window(opening.window, view); !checked) {
        co_return std::unexpected(std::move(checked.error()));
    }
    auto key = co_await opener_(opening.encrypted_key);
    if (!key || key->size() != 32 || Bytes32{crypto::sha256(*key)} != fields.key_hash) {
        co_return protocol::refuse(400, Status::bad_request,
            "the window's key is not encrypted to this provider's RSA key, or is another one",
            "read the key from the provider's record again");
    }
    OpenWindow window;
    std::ranges::copy(*key, window.key.begin());
    crypto::wipe(*key);
    window.key_hash = fields.key_hash;
    window.first_sequence = fields.first_sequence;
    window.valid_before = fields.valid_before;
    // Another request may have opened one meanwhile.
    newest = windows_.newest(fields.channel_id);
    if (newest != nullptr && newest->first_sequence >= fields.first_sequence) {
        if (newest->key_hash == fields.key_hash) {
            co_return Checked<void>{};
        }
        co_return refused(Status::payment_acceptable, fields.channel_id,
            "another window begins there already", "begin at a higher sequence");
    }
    const auto current = charging_.ledger.payer(view.payer);
    AcceptedVoucher voucher;
    if (current) {
        voucher = current->voucher.value_or(voucher);
    }
    voucher.first_sequence = std::max(voucher.first_sequence, fields.first_sequence);
    if (auto accepted = accept(view.payer, voucher); !accepted) {
        co_return accepted;
    }
    if (!windows_.add(fields.channel_id, window, now())) {
        auto refusal = protocol::refuse(
            503, Status::server_error, "too many windows are open; nothing was charged");
        refusal.error().headers.emplace_back("Retry-After", "60");
        co_return refusal;
    }
    co_return Checked<void>{};
}

async::Task<Checked<void>> WindowMethod::take_statements(
    const WindowPayment& payment, const PayerView& view) {
    if (payment.voucher) {
        if (auto taken = take_voucher(*payment.voucher, view); !taken) {
            co_return taken;
        }
    }
    if (payment.opening) {
        co_return co_await open_window(*payment.opening, view);
    }
    co_return Checked<void>{};
}

Checked<void> WindowMethod::check_mac(const WindowPayment& payment, const Bytes32& digest) const {
    const OpenWindow* const window = windows_.find(payment.channel, payment.sequence, now());
    if (window == nullptr) {
        return refused(Status::payment_acceptable, payment.channel,
            "no window is open for this sequence", "send the window and its key again");
    }
    const auto mac = window_mac(window->key, payment.channel, payment.sequence, digest);
    if (!equal_constant_time(mac, payment.mac)) {
        return protocol::refuse(
            401, Status::invalid_signature, "the MAC is not of this request by the window's key");
    }
    return {};
}

std::optional<HoldOutcome> WindowMethod::find_repeat(
    const std::string& key, const Bytes32& digest) const {
    const auto used = charging_.ledger.idempotency(key);
    if (!used) {
        return std::nullopt;
    }
    HoldOutcome outcome;
    outcome.repeat = protocol::Repeat{.key = key,
        .receipt = used->receipt ? to_string(*used->receipt) : "",
        .same_request = used->request_digest == digest};
    return outcome;
}

async::Task<Checked<HoldOutcome>> WindowMethod::hold_price(
    const WindowPayment& payment, const PayerView& view, const protocol::PaymentRequest& request) {
    const auto payer = parse_address(view.chain.owner);
    const Bytes32 digest = request.digest.value_or(Bytes32{});
    HoldRequest wanted;
    wanted.idempotency_key =
        "window:" + to_string(payment.channel) + ":" + std::to_string(payment.sequence);
    const std::string key = *wanted.idempotency_key;
    if (auto repeat = find_repeat(key, digest)) {
        co_return std::move(*repeat);
    }
    const OpenWindow* const window = windows_.find(payment.channel, payment.sequence, now());
    wanted.payer = view.payer;
    wanted.asset = request.terms->asset;
    wanted.max = request.terms->max_price;
    wanted.expires = {window == nullptr ? 0 : window->valid_before};
    wanted.request_digest = digest;
    wanted.call_id = "sequence:" + std::to_string(payment.sequence);
    wanted.key_before_run = false;
    auto at_once = charging_.ledger.try_acquire(wanted);
    const Result<HoldId> id =
        at_once ? std::move(*at_once) : co_await charging_.ledger.acquire(std::move(wanted));
    if (id) {
        HoldOutcome outcome;
        outcome.hold = std::make_unique<LedgerHold>(charging_.ledger, *id,
            payer ? std::optional(*payer) : std::nullopt, request.terms->max_price, false,
            IntervalBounds{.most = {}, .channels = &charging_.channels});
        outcome.key = key;
        co_return outcome;
    }
    if (id.error() == make_error_code(PaymentError::already_used)) {
        if (auto repeat = find_repeat(key, digest)) {
            co_return std::move(*repeat);
        }
    }
    if (id.error() == make_error_code(PaymentError::insufficient_funds)) {
        co_return refused(Status::payment_too_low, payment.channel,
            "the vouchers of this channel do not cover the call: " +
                std::string(id.error().detail()),
            "send a voucher over more");
    }
    co_return refusal_of(charging_, *request.terms, payer.value_or(Address{}), id.error());
}

async::Task<Checked<HoldOutcome>> WindowMethod::hold(protocol::PaymentRequest request) {
    const auto inspected = std::dynamic_pointer_cast<const InspectedWindow>(request.inspected);
    if (!inspected || !request.digest) {
        co_return protocol::refuse(400, Status::bad_request, "the payment was not read");
    }
    const WindowPayment& payment = inspected->payment();
    if (const auto reason = charging_.channels.suspended()) {
        auto refusal = protocol::refuse(503, Status::server_error, "no paid calls now: " + *reason);
        refusal.error().headers.emplace_back("Retry-After", "10");
        co_return refusal;
    }
    auto view = co_await find_channel(payment.channel, *request.terms);
    if (!view) {
        co_return std::unexpected(std::move(view.error()));
    }
    if (auto taken = co_await take_statements(payment, *view); !taken) {
        co_return std::unexpected(std::move(taken.error()));
    }
    if (auto checked = check_mac(payment, *request.digest); !checked) {
        co_return std::unexpected(std::move(checked.error()));
    }
    if (request.terms->max_price.is_zero()) {
        HoldOutcome outcome;
        outcome.hold =
            std::make_unique<IdentityHold>(parse_address(view->chain.owner).value_or(Address{}));
        co_return outcome;
    }
    co_return co_await hold_price(payment, *view, request);
}

}  // namespace

std::unique_ptr<protocol::PaymentMethod> make_window_method(
    EscrowCharging& charging, identity::Domain domain, KeyOpener opener, WindowSettings settings) {
    return std::make_unique<WindowMethod>(charging, domain, std::move(opener), settings);
}

}  // namespace decloud::payments
