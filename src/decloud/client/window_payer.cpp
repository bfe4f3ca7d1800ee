#include "window_payer.hpp"

#include "error.hpp"
#include "wallet.hpp"
#include "x402_payer.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/base/log.hpp>
#include <decloud/contracts/escrow.hpp>
#include <decloud/crypto/random.hpp>
#include <decloud/identity/jwe.hpp>
#include <decloud/protocol/request_digest.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>

namespace decloud::client {

namespace {

namespace abi = contracts::escrow;
namespace asio = boost::asio;
constexpr int kPaymentRequired = 402;
constexpr std::size_t kMaxProblem = 64 * 1024;
/// Of what is asked for again because the provider's block is not final yet.
constexpr auto kUntilFinal = std::chrono::seconds(20);
/// At first; then twice as long each time, as refusals count against who asks.
constexpr auto kAskAgain = std::chrono::milliseconds(250);
constexpr auto kTurnLimit = std::chrono::minutes(2);
constexpr std::uint64_t kWindowSeconds = 540;
/// A window is renewed so long before its end.
constexpr std::uint64_t kMargin = 20;
/// Sequences that are taken from the file at once.
constexpr std::uint64_t kSequences = 1024;
/// No provider's word moves a lane beyond this.
constexpr std::uint64_t kLastSequence = std::uint64_t{1} << 62U;
/// No channel is worth opening below it; providers refuse such.
constexpr std::uint64_t kLeastBudget = 100'000;
constexpr int kAttempts = 4;

/// What has one price: the cid, without path and query.
std::string subject_of(std::string_view target) {
    std::string_view path = target.substr(0, target.find('?'));
    std::size_t end = path.find('/', 1);
    if (path.starts_with("/p/")) {
        end = path.find('/', 3);
        end = end == std::string_view::npos ? end : path.find('/', end + 1);
    }
    return std::string(path.substr(0, end));
}

std::optional<json::Object> read_problem(const Bytes& body) {
    auto value = json::parse(as_text(body), {.max_bytes = kMaxProblem, .max_depth = 8});
    if (!value || !value->is_object()) {
        return std::nullopt;
    }
    return std::move(value->get_object());
}

/// What a window pays for the refused call; none if none would.
std::optional<Amount> price_in(const json::Object& problem) {
    const json::Value* const rows = problem.if_contains("acceptable");
    if (rows == nullptr || !rows->is_array()) {
        return std::nullopt;
    }
    for (const json::Value& row : rows->get_array()) {
        if (!row.is_object()) {
            continue;
        }
        const json::Value* const method = row.get_object().if_contains("method");
        const json::Value* const amount = row.get_object().if_contains("amount");
        if (method != nullptr && method->is_string() &&
            method->get_string() == payments::kWindowMethod && amount != nullptr &&
            amount->is_string()) {
            const auto units = parse_uint128(amount->get_string());
            return units ? std::optional(Amount(*units)) : std::nullopt;
        }
    }
    return std::nullopt;
}

Result<Uint128> number_in(const json::Object& channel, std::string_view name) {
    const json::Value* const value = channel.if_contains(name);
    if (value == nullptr || !value->is_string()) {
        return fail(CommonError::invalid_input, std::string(name) + " is missing");
    }
    return parse_uint128(value->get_string());
}

Amount plus(Amount a, Amount b) { return a.plus(b).value_or(a); }

}  // namespace

/// A channel in use, with what this process knows of it.
struct WindowPayer::Account {
    Account(Lane own,
        registry::Provider with,
        crypto::RsaPublicKey encrypted_to,
        const async::Executor& executor)
        : lane(std::move(own)),
          provider(std::move(with)),
          rsa_key(std::move(encrypted_to)),
          turn_ended(executor) {
        next = lane.state().next_sequence;
    }
    ~Account() {
        if (lane.state().open) {
            lane.state().next_sequence = next;
            (void)lane.save();
        }
    }
    Account(const Account&) = delete;
    Account& operator=(const Account&) = delete;

    Lane lane;
    registry::Provider provider;
    crypto::RsaPublicKey rsa_key;
    std::uint64_t next = 1;
    Amount in_flight;
    bool voucher_sent = false;
    bool window_sent = false;
    std::map<std::string, Amount> prices;
    /// One at a time opens, tops up, asks and signs.
    bool busy = false;
    async::Event turn_ended;

    static async::Task<Result<std::shared_ptr<void>>> turn(std::shared_ptr<Account> account) {
        while (account->busy) {
            account->turn_ended.reset();
            CO_TRY_VOID(co_await account->turn_ended.wait(kTurnLimit));
        }
        account->busy = true;
        co_return std::shared_ptr<void>(nullptr, [account](void* /*nothing*/) {
            account->busy = false;
            account->turn_ended.set();
        });
    }
};

struct WindowPayer::Sent {
    std::optional<net::http::ClientResponse> response;
    /// A refusal, read whole.
    net::http::ResponseHead head;
    Bytes body;
};

WindowPayer::WindowPayer(net::http::Client& client,
    ChainSession& session,
    const AccountSigner& signer,
    SpendingBook& book,
    WindowPayerSettings settings,
    const Clock& clock)
    : client_(client),
      session_(session),
      signer_(signer),
      book_(book),
      settings_(std::move(settings)),
      clock_(clock) {}

WindowPayer::~WindowPayer() = default;

/// Where a channel is open or could be opened; others may pay without gas of their own.
async::Task<Result<bool>> WindowPayer::can_pay(PayableRequest request) {
    if (!request.provider || !request.provider->rsa_key) {
        co_return false;
    }
    CO_TRY(const auto account, co_await account_with(request.provider));
    if (account->lane.state().open) {
        co_return true;
    }
    CO_TRY(const Uint128 gas, co_await session_.ethereum().balance(signer_.address()));
    CO_TRY(const Amount free, co_await session_.escrow().free_balance(signer_.address()));
    CO_TRY(const Amount own, co_await session_.token_balance(signer_.address()));
    co_return gas != 0 && plus(free, own).units() >= kLeastBudget;
}

async::Task<Result<std::shared_ptr<WindowPayer::Account>>> WindowPayer::account_with(
    std::optional<registry::Provider> provider) {
    if (!provider) {
        co_return fail(ClientError::payment, "only providers of the registry have channels");
    }
    if (const auto found = accounts_.find(provider->address); found != accounts_.end()) {
        co_return found->second;
    }
    if (!provider->rsa_key) {
        co_return fail(
            ClientError::payment, provider->name.full() + " has no key to encrypt a window to");
    }
    CO_TRY(Lane lane, Lane::take(settings_.lanes, signer_.address(), provider->address));
    auto account = std::make_shared<Account>(
        std::move(lane), *provider, *provider->rsa_key, session_.executor());
    accounts_[provider->address] = account;
    co_return account;
}

/// Brings money into the escrow's free balance: what there is, up to `wanted`.
async::Task<Result<Amount>> WindowPayer::provide(std::shared_ptr<Wallet> wallet, Amount wanted) {
    CO_TRY(const Amount free, co_await session_.escrow().free_balance(signer_.address()));
    if (free >= wanted) {
        co_return wanted;
    }
    CO_TRY(const Amount own, co_await session_.token_balance(signer_.address()));
    const Amount more = std::min(own, wanted.saturating_minus(free));
    const Amount in_all = plus(free, more);
    if (in_all.units() < kLeastBudget) {
        co_return fail_with_help(ClientError::payment,
            to_string(signer_.address()) + " has " + format_usdc(free) +
                " USDC free in the escrow and " + format_usdc(own) +
                " of its own, too little to pay with",
            "send USDC to " + to_string(signer_.address()) + ", or decloud escrow deposit AMOUNT");
    }
    if (!more.is_zero()) {
        CO_TRY_VOID(co_await wallet->deposit(more));
    }
    co_return in_all;
}

/// To its end, also when who waits for it has gone: transactions are on their way.
async::Task<Result<void>> WindowPayer::with_wallet(
    std::function<async::Task<Result<void>>(std::shared_ptr<Wallet>)> work) {
    co_return co_await asio::co_spawn(session_.executor(), use_wallet(std::move(work)),
        asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable));
}

async::Task<Result<void>> WindowPayer::use_wallet(
    std::function<async::Task<Result<void>>(std::shared_ptr<Wallet>)> work) {
    CO_TRY(auto opened, co_await Wallet::open(session_, settings_.wallets, signer_));
    const std::shared_ptr<Wallet> wallet(std::move(opened));
    auto done = co_await work(wallet);
    co_await wallet->stop();
    co_return done;
}

async::Task<Result<void>> WindowPayer::open(std::shared_ptr<Account> account) {
    LaneState& state = account->lane.state();
    if (state.open) {
        co_return Result<void>{};
    }
    const ChainConfig& chain = session_.config();
    state.channel = channel_id(signer_.address(), account->provider.address, chain.contracts.usdc,
        state.salt, signer_.address(), chain.contracts.escrow, chain.chain_id);
    // Whatever happens next, the channel is found again.
    CO_TRY_VOID(account->lane.save());
    auto there = co_await session_.escrow().channel(state.channel);
    if (!there && there.error() != make_error_code(ChainError::not_found)) {
        co_return fail(there.error());
    }
    if (!there) {
        CO_TRY_VOID(co_await with_wallet(
            [this, account](std::shared_ptr<Wallet> wallet) -> async::Task<Result<void>> {
                CO_TRY(const Amount budget, co_await provide(wallet, settings_.budget));
                CO_TRY_VOID(
                    co_await wallet->send("open a channel", session_.config().contracts.escrow,
                        abi::encode_approve_signer_salt(account->provider.address, 0,
                            budget.units(), signer_.address(), account->lane.state().salt)));
                co_return Result<void>{};
            }));
        CO_TRY(there, co_await session_.escrow().channel(state.channel));
    }
    state.open = true;
    state.reserved = there->reserved;
    state.spent = std::max(state.spent, there->claimed);
    co_return account->lane.save();
}

async::Task<Result<void>> WindowPayer::top_up(std::shared_ptr<Account> account, Amount need) {
    CO_TRY_VOID(co_await with_wallet(
        [this, account, need](std::shared_ptr<Wallet> wallet) -> async::Task<Result<void>> {
            CO_TRY(const Amount more, co_await provide(wallet, std::max(settings_.budget, need)));
            if (more < need) {
                co_return fail_with_help(ClientError::payment,
                    "there is too little USDC to go on with this channel",
                    "decloud escrow deposit AMOUNT");
            }
            CO_TRY_VOID(co_await wallet->increase(account->lane.state().channel, more));
            co_return Result<void>{};
        }));
    CO_TRY(const auto there, co_await session_.escrow().channel(account->lane.state().channel));
    account->lane.state().reserved = there.reserved;
    co_return account->lane.save();
}

Result<void> WindowPayer::open_window(Account& account) {
    LaneState& state = account.lane.state();
    const std::uint64_t now = clock_.unix_seconds().value;
    if (state.first_sequence != 0 && now + kMargin < state.valid_before.value) {
        return {};
    }
    state.key = crypto::random_array<32>();
    // Above whatever was used by a home whose files were lost.
    account.next = std::max(account.next, now * 1000);
    state.first_sequence = account.next;
    state.valid_before = {now + kWindowSeconds};
    state.next_sequence = account.next + kSequences;
    account.window_sent = false;
    return account.lane.save();
}

/// A voucher for this call and, within the limits, for the next ones.
async::Task<Result<void>> WindowPayer::sign_enough(
    std::shared_ptr<Account> account, Amount price, PayableRequest request, RequestRoute route) {
    CO_TRY_VOID(open_window(*account));
    LaneState& state = account->lane.state();
    const Amount used = plus(state.spent, account->in_flight);
    const Amount need = plus(used, price);
    if (need <= state.signed_for) {
        co_return Result<void>{};
    }
    if (need > state.reserved) {
        CO_TRY_VOID(co_await top_up(account, need.saturating_minus(state.reserved)));
    }
    const Uint128 by_limit = book_.limits().max_price.units() / price.units();
    Uint128 calls = std::clamp<Uint128>(by_limit, 1, settings_.calls_per_voucher);
    for (;;) {
        const Amount wanted =
            std::min(plus(used, Amount(price.units() * calls)), std::max(need, state.reserved));
        const Amount more = wanted.saturating_minus(state.signed_for);
        auto booked = book_.book({.method = "window",
            .account = signer_.address(),
            .provider = payee_name(request, route),
            .pay_to = account->provider.address,
            .resource = resource_name(route),
            .asset =
                TokenId{session_.config().chain_id, session_.config().contracts.usdc}.to_string(),
            .amount = more,
            .nonce = state.channel,
            .valid_before = {~std::uint64_t{0} >> 1U}});
        if (!booked && calls > 1 && booked.error() == make_error_code(ClientError::payment)) {
            calls = 1;
            continue;
        }
        CO_TRY_VOID(booked);
        state.signed_for = wanted;
        account->voucher_sent = false;
        co_return account->lane.save();
    }
}

Result<payments::WindowPayment> WindowPayer::make_payment(
    Account& account, const Bytes32& request_digest, std::uint64_t sequence) {
    const LaneState& state = account.lane.state();
    payments::WindowPayment out{.channel = state.channel, .sequence = sequence};
    if (sequence == 0) {
        return out;
    }
    out.mac = payments::window_mac(state.key, state.channel, sequence, request_digest);
    if (!account.voucher_sent) {
        TRY(out.voucher,
            signer_.sign_for_channel(
                identity::Voucher{state.channel, state.signed_for.units()}, session_.domain()));
    }
    if (!account.window_sent) {
        const identity::Window window{state.channel, Bytes32{crypto::sha256(state.key)},
            state.first_sequence, state.valid_before.value};
        TRY(std::string key, identity::encrypt_jwe(state.key, std::vector{account.rsa_key}));
        TRY(const auto opening, signer_.sign_for_channel(window, session_.domain()));
        out.opening = {opening, std::move(key)};
    }
    return out;
}

async::Task<Result<WindowPayer::Sent>> WindowPayer::send_paid(std::shared_ptr<Account> account,
    PayableRequest request,
    RequestRoute route,
    crypto::Sha256Digest digest,
    std::uint64_t sequence) {
    const std::string audience =
        protocol::audience(session_.config().chain_id, account->provider.address);
    const Bytes32 request_digest = protocol::request_digest({.method = request.method,
        .target = route.target,
        .content_digest = digest,
        .audience = audience});
    CO_TRY(const auto payment, make_payment(*account, request_digest, sequence));
    CO_TRY(const std::string header, payments::format_window_payment(payment));
    CO_TRY(auto response, co_await send_once(client_, std::move(request), std::move(route),
                              {{"Content-Digest", protocol::format_content_digest(digest)},
                                  {"OpenCloud-Payment", header}}));
    Sent out;
    if (response.status() != kPaymentRequired) {
        if (sequence != 0 && response.status() < 400) {
            account->voucher_sent = true;
            account->window_sent = true;
        }
        out.response = std::move(response);
        co_return out;
    }
    account->voucher_sent = false;
    account->window_sent = false;
    out.head = response.head();
    CO_TRY(out.body, co_await response.read_all(kMaxProblem));
    co_return out;
}

/// Takes over what the provider says of the channel, as far as this account's own signature proves
/// it.
Result<void> WindowPayer::learn(Account& account, const json::Object& problem) {
    const json::Value* const value = problem.if_contains("channel");
    if (value == nullptr || !value->is_object()) {
        return {};
    }
    const json::Object& channel = value->get_object();
    LaneState& state = account.lane.state();
    const json::Value* const closing = channel.if_contains("closing");
    if (closing != nullptr && closing->is_bool() && closing->get_bool()) {
        account.voucher_sent = account.window_sent = false;
        TRY_VOID(account.lane.start_over());
        account.next = account.lane.state().next_sequence;
        return {};
    }
    TRY(const Uint128 accepted, number_in(channel, "accepted"));
    TRY(const Uint128 spent, number_in(channel, "spent"));
    if (Amount(accepted) > state.signed_for) {
        const json::Value* const text = channel.if_contains("signature");
        const auto bytes =
            text != nullptr && text->is_string() && text->get_string().starts_with("0x")
                ? from_hex(text->get_string())
                : Result<Bytes>(fail(CommonError::invalid_input));
        const auto signer =
            bytes ? crypto::recover(identity::digest(identity::Voucher{state.channel, accepted},
                                        session_.domain()),
                        *bytes)
                  : Result<Address>(fail(CommonError::invalid_input));
        if (!signer || *signer != signer_.address()) {
            return fail(ClientError::payment,
                account.provider.name.full() +
                    " names a voucher over more than this account signed; nothing more is paid");
        }
        state.signed_for = Amount(accepted);
    }
    if (Amount(spent) > state.signed_for) {
        return fail(ClientError::payment,
            account.provider.name.full() + " says it served more than this account signed for");
    }
    state.spent = std::max(state.spent, Amount(spent));
    // A later window is one of this account's files that were lost: its key is gone.
    const auto newest = number_in(channel, "firstSequence");
    if (newest && *newest > state.first_sequence && *newest <= kLastSequence) {
        state.first_sequence = 0;
        account.next = std::max(account.next, static_cast<std::uint64_t>(*newest) + kSequences);
    }
    return account.lane.save();
}

/// Nothing: the price is known now. Otherwise the answer to who need not pay, or cannot.
async::Task<Result<std::optional<Answer>>> WindowPayer::ask_price(std::shared_ptr<Account> account,
    PayableRequest request,
    RequestRoute route,
    crypto::Sha256Digest digest) {
    const auto end = std::chrono::steady_clock::now() + kUntilFinal;
    std::chrono::milliseconds pause = kAskAgain;
    for (;;) {
        // A sequence that no window has: the refusal says what a call costs and what is known.
        CO_TRY(auto sent, co_await send_paid(account, request, route, digest, 0));
        if (sent.response) {
            co_return std::optional<Answer>(Answer(std::move(*sent.response)));
        }
        const auto problem = read_problem(sent.body);
        const auto price = problem ? price_in(*problem) : std::nullopt;
        const bool known = problem && problem->contains("channel");
        if (price && known) {
            CO_TRY_VOID(learn(*account, *problem));
            account->prices[subject_of(route.target)] = *price;
            co_return std::optional<Answer>{};
        }
        if (!price || std::chrono::steady_clock::now() > end) {
            Answer refused(std::move(sent.head), std::move(sent.body));
            refused.set_not_paid(Error(make_error_code(ClientError::payment),
                price ? "the provider does not see this account's channel in a final block"
                      : "the provider takes no payment from a channel for this"));
            co_return std::optional<Answer>(std::move(refused));
        }
        co_await async::delay(pause);
        pause *= 2;
    }
}

/// Everything before the paid request, one at a time; an answer if there is nothing to pay for.
async::Task<Result<std::optional<Answer>>> WindowPayer::prepare(std::shared_ptr<Account> account,
    PayableRequest request,
    RequestRoute route,
    crypto::Sha256Digest digest,
    bool again) {
    CO_TRY(const auto turn, co_await Account::turn(account));
    const std::string subject = subject_of(route.target);
    CO_TRY_VOID(co_await open(account));
    if (again || !account->prices.contains(subject)) {
        CO_TRY(auto answered, co_await ask_price(account, request, route, digest));
        if (answered) {
            co_return std::move(answered);
        }
        CO_TRY_VOID(co_await open(account));
    }
    const Amount price = account->prices[subject];
    if (price > book_.limits().max_price) {
        co_return fail_with_help(ClientError::payment,
            "the call costs " + format_usdc(price) + " USDC, more than the limit of " +
                format_usdc(book_.limits().max_price),
            "--max-price " + format_usdc(price));
    }
    CO_TRY_VOID(co_await sign_enough(account, price, std::move(request), std::move(route)));
    account->in_flight = plus(account->in_flight, price);
    co_return std::optional<Answer>{};
}

async::Task<Result<Answer>> WindowPayer::send(PayableRequest request, RequestRoute route) {
    crypto::Sha256Digest digest = crypto::sha256(BytesView{});
    if (request.body) {
        CO_TRY(digest, co_await request.body->digest());
    }
    CO_TRY(const auto account, co_await account_with(request.provider));
    for (int attempt = 0;; ++attempt) {
        CO_TRY(auto answered, co_await prepare(account, request, route, digest, attempt > 0));
        if (answered) {
            co_return std::move(*answered);
        }
        const Amount price = account->prices[subject_of(route.target)];
        const std::shared_ptr<void> ended(nullptr, [account, price](void* /*nothing*/) {
            account->in_flight = account->in_flight.saturating_minus(price);
        });
        const std::uint64_t sequence = account->next++;
        if (account->next >= account->lane.state().next_sequence) {
            account->lane.state().next_sequence += kSequences;
            CO_TRY_VOID(account->lane.save());
        }
        auto sent = co_await send_paid(account, request, route, digest, sequence);
        if (!sent) {
            co_return fail(std::move(sent.error()));
        }
        if (auto& response = sent->response) {
            if (response->head().headers.contains("X-Decloud-Receipt") ||
                response->status() < 400) {
                account->lane.state().spent = plus(account->lane.state().spent, price);
            }
            co_return Answer(std::move(*response));
        }
        const auto problem = read_problem(sent->body);
        const auto learned =
            problem ? learn(*account, *problem) : Result<void>(fail(CommonError::invalid_input));
        if (!learned || attempt + 1 == kAttempts) {
            Answer refused(std::move(sent->head), std::move(sent->body));
            refused.set_not_paid(learned ? Error(make_error_code(ClientError::payment),
                                               "the provider refuses this account's vouchers")
                                         : learned.error());
            co_return refused;
        }
    }
}

}  // namespace decloud::client
