#include "escrow_test_support.hpp"
#include "window_message.hpp"
#include "window_method.hpp"

#include <decloud/crypto/random.hpp>
#include <decloud/crypto/rsa.hpp>
#include <decloud/identity/jwe.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>

namespace decloud::payments {
namespace {

using protocol::Status;
using ::testing::HasSubstr;

const AssetId kToken{"eip155:31337/erc20:0x1"};
constexpr Amount kPrice(1000);
constexpr std::uint64_t kBudget = 1'000'000;

/// The chain is not asked: what is not in the ledger is nowhere.
class NoChannels final : public ChannelDirectory {
  public:
    [[nodiscard]] async::Task<Result<PayerMoney>> find(Address /*payer*/) override {
        co_return PayerMoney{};
    }
    [[nodiscard]] std::optional<PayerMoney> find_known(const Address& /*payer*/) const override {
        return std::nullopt;
    }
    [[nodiscard]] async::Task<Result<void>> find_channel(Bytes32 /*id*/) override {
        co_return Result<void>{};
    }
    [[nodiscard]] async::Task<Result<void>> refresh(Address /*payer*/) override {
        co_return Result<void>{};
    }
    [[nodiscard]] std::optional<std::string> suspended() const override { return std::nullopt; }
};

/// What a client keeps of a channel.
struct Client {
    explicit Client(const crypto::RsaPrivateKey& rsa) : provider_key(&rsa) {}

    WindowPayment opening(std::uint64_t first, std::uint64_t valid_before) {
        first_sequence = first;
        key = crypto::random_array<32>();
        WindowPayment out;
        out.channel = channel;
        const identity::Window window{channel, Bytes32{crypto::sha256(key)}, first, valid_before};
        out.opening = {identity::sign_for_channel(window, domain, signer),
            identity::encrypt_jwe(key, std::vector{provider_key->public_key()}).value()};
        return out;
    }
    WindowPayment& with_voucher(WindowPayment& payment, std::uint64_t amount) const {
        payment.voucher =
            identity::sign_for_channel(identity::Voucher{channel, amount}, domain, signer);
        return payment;
    }
    WindowPayment& sealed(
        WindowPayment& payment, std::uint64_t sequence, const Bytes32& digest) const {
        payment.channel = channel;
        payment.sequence = sequence;
        payment.mac = window_mac(key, channel, sequence, digest);
        return payment;
    }
    /// A call in the open window.
    [[nodiscard]] WindowPayment call(std::uint64_t sequence, const Bytes32& digest) const {
        WindowPayment out;
        return sealed(out, sequence, digest);
    }

    const crypto::RsaPrivateKey* provider_key;
    identity::Domain domain{.chain_id = 31337, .escrow = {}};
    crypto::Secp256k1PrivateKey signer = crypto::Secp256k1PrivateKey::generate();
    Bytes32 channel{crypto::random_array<32>()};
    std::array<std::uint8_t, 32> key{};
    std::uint64_t first_sequence = 0;
};

class WindowTest : public ::testing::Test {
  public:
    WindowTest() { open(); }
    ~WindowTest() override { close(); }

    void open() {
        engine_ = make_sqlite_state_engine(folder_.path() / "slices.sqlite", pool_).value();
        LedgerSettings settings;
        settings.directory = folder_.path() / "ledger";
        ledger_ = Ledger::open(settings, context_.get_executor(), *engine_, clock_).value();
        charging_ = std::make_unique<EscrowCharging>(
            EscrowCharging{*ledger_, channels_, clock_, kToken, provider_, "alice.decloud"});
        method_ = make_window_method(*charging_, client_.domain,
            [](std::string jwe) -> async::Task<Result<Bytes>> {
                CO_TRY(const auto parsed, identity::Jwe::parse(jwe));
                co_return parsed.decrypt(rsa());
            },
            {});
    }

    void close() {
        run([this]() -> async::Task<void> { EXPECT_TRUE(co_await ledger_->close()); });
        method_.reset();
        ledger_.reset();
        engine_.reset();
    }

    void run(std::function<async::Task<void>()> body) {
        async::TaskGroup group(context_.get_executor());
        group.spawn(body());
        context_.restart();
        while (group.size() > 0) {
            context_.run_one();
        }
    }

    static const crypto::RsaPrivateKey& rsa() {
        static const auto key = crypto::RsaPrivateKey::generate(2048);
        return key;
    }

    void open_channel(std::uint64_t reserved = kBudget) {
        ChannelState state;
        state.asset = kToken;
        state.owner = to_string(payer_);
        state.reserved = Amount(reserved);
        state.signer = client_.signer.address();
        EXPECT_TRUE(ledger_->record_chain(account(), state));
    }
    [[nodiscard]] PayerAccount account() const { return channel_account(client_.channel); }
    [[nodiscard]] std::uint64_t soon() const { return clock_.unix_seconds().value + 300; }

    /// As the header would say it. The HTTP status of a refusal, 200 if charged, 208 if a repeat.
    async::Task<int> pay(WindowPayment payment, Bytes32 digest) {
        auto call = std::make_shared<protocol::Call>();
        const auto header = format_window_payment(payment);
        call->payment = protocol::parse_payment_header(header.value()).value();
        protocol::PaymentRequest request;
        auto terms = std::make_shared<protocol::Terms>();
        terms->asset = kToken;
        terms->max_price = kPrice;
        terms->subject = "bafyexample";
        request.terms = terms;
        EXPECT_TRUE(method_->handles(*call, *terms));
        auto inspected = method_->inspect(*call, *terms);
        if (!inspected) {
            problem_ = inspected.error();
            co_return problem_.http_status;
        }
        request.call = std::move(call);
        request.digest = digest;
        request.inspected = *inspected;
        auto outcome = co_await method_->hold(std::move(request));
        if (!outcome) {
            problem_ = outcome.error();
            co_return problem_.http_status;
        }
        if (outcome->repeat) {
            repeat_ = *outcome->repeat;
            co_return 208;
        }
        EXPECT_EQ(outcome->hold->payer(), payer_);
        EXPECT_TRUE(co_await outcome->hold->ready());
        EXPECT_TRUE(co_await outcome->hold->served());
        EXPECT_TRUE(outcome->hold->commit(kPrice, {}));
        co_return 200;
    }

    boost::asio::io_context context_;
    boost::asio::thread_pool pool_{1};
    ManualClock clock_{{1'790'000'000}};
    TemporaryFolder folder_;
    Address provider_{crypto::random_array<20>()};
    Address payer_{crypto::random_array<20>()};
    NoChannels channels_;
    Client client_{rsa()};
    std::unique_ptr<StateEngine> engine_;
    std::unique_ptr<Ledger> ledger_;
    std::unique_ptr<EscrowCharging> charging_;
    std::unique_ptr<protocol::PaymentMethod> method_;
    protocol::Problem problem_;
    protocol::Repeat repeat_;
    Bytes32 digest_{crypto::random_array<32>()};
    Bytes32 other_digest_{crypto::random_array<32>()};
};

TEST_F(WindowTest, OneSignaturePaysForManyCalls) {
    open_channel();
    run([this]() -> async::Task<void> {
        auto first = client_.opening(1, soon());
        client_.sealed(client_.with_voucher(first, 4000), 1, digest_);
        EXPECT_EQ(co_await pay(first, digest_), 200);
        for (const std::uint64_t sequence : {4, 2, 3}) {
            EXPECT_EQ(co_await pay(client_.call(sequence, digest_), digest_), 200);
        }
        EXPECT_EQ(co_await pay(client_.call(5, digest_), digest_), 402);
        EXPECT_EQ(problem_.status, Status::payment_too_low);
        auto more = client_.call(5, digest_);
        EXPECT_EQ(co_await pay(client_.with_voucher(more, 5000), digest_), 200);
    });
    EXPECT_EQ(ledger_->spent(account()).amount, Amount(5000));
    const auto rows = ledger_->unsettled();
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].amount, Amount(5000));
    EXPECT_EQ(rows[0].calls, 0U);
    ASSERT_TRUE(rows[0].voucher);
    EXPECT_EQ(rows[0].voucher->cumulative, Amount(5000));
}

TEST_F(WindowTest, ASequenceIsOneRequestsForGood) {
    open_channel();
    run([this]() -> async::Task<void> {
        auto first = client_.opening(1, soon());
        client_.sealed(client_.with_voucher(first, 4000), 1, digest_);
        EXPECT_EQ(co_await pay(first, digest_), 200);
        EXPECT_EQ(co_await pay(first, digest_), 208);
        EXPECT_TRUE(repeat_.same_request);
        EXPECT_FALSE(repeat_.receipt.empty());
        EXPECT_EQ(co_await pay(client_.call(1, other_digest_), other_digest_), 208);
        EXPECT_FALSE(repeat_.same_request);
    });
    close();
    open();
    run([this]() -> async::Task<void> {
        // The window is not known any more, what was spent is.
        EXPECT_EQ(co_await pay(client_.call(1, digest_), digest_), 402);
        EXPECT_EQ(problem_.channel.at("accepted").as_string(), "4000");
        EXPECT_EQ(problem_.channel.at("spent").as_string(), "1000");
        auto again = client_.opening(2, soon());
        EXPECT_EQ(co_await pay(client_.sealed(again, 2, digest_), digest_), 200);
        EXPECT_EQ(co_await pay(client_.call(1, digest_), digest_), 402);
    });
    EXPECT_EQ(ledger_->spent(account()).amount, Amount(2000));
}

TEST_F(WindowTest, NobodyInBetweenCanSpendAWindow) {
    open_channel();
    run([this]() -> async::Task<void> {
        auto first = client_.opening(1, soon());
        client_.sealed(client_.with_voucher(first, 4000), 1, digest_);
        EXPECT_EQ(co_await pay(first, other_digest_), 401) << "another request";
        auto moved = first;
        moved.sequence = 2;
        EXPECT_EQ(co_await pay(moved, digest_), 401) << "another sequence";
        Client thief(rsa());
        thief.channel = client_.channel;
        auto stolen = thief.opening(1, soon());
        stolen.voucher = first.voucher;
        EXPECT_EQ(co_await pay(thief.sealed(stolen, 1, digest_), digest_), 401) << "another's key";
        auto swapped = client_.opening(1, soon());
        swapped.opening->encrypted_key = stolen.opening->encrypted_key;
        EXPECT_EQ(co_await pay(client_.sealed(swapped, 1, digest_), digest_), 400) << "other key";
        auto forged = client_.opening(1, soon());
        thief.with_voucher(forged, 900'000);
        EXPECT_EQ(co_await pay(client_.sealed(forged, 1, digest_), digest_), 401) << "voucher";
    });
    EXPECT_EQ(ledger_->spent(account()).amount, Amount());
}

TEST_F(WindowTest, AnOldWindowDoesNotComeBack) {
    open_channel();
    run([this]() -> async::Task<void> {
        auto first = client_.opening(1, soon());
        client_.sealed(client_.with_voucher(first, 9000), 1, digest_);
        EXPECT_EQ(co_await pay(first, digest_), 200);
        const auto late = client_.call(3, digest_);
        auto second = client_.opening(10, soon());
        EXPECT_EQ(co_await pay(client_.sealed(second, 10, digest_), digest_), 200);
        EXPECT_EQ(co_await pay(late, digest_), 200) << "on its way when the next was opened";
        EXPECT_EQ(co_await pay(first, digest_), 402);
        EXPECT_THAT(problem_.detail, HasSubstr("later window"));
        clock_.advance(std::chrono::seconds(400));
        EXPECT_EQ(co_await pay(client_.call(11, digest_), digest_), 402);
        EXPECT_THAT(problem_.detail, HasSubstr("no window is open"));
        auto expired = client_.opening(20, clock_.unix_seconds().value);
        EXPECT_EQ(co_await pay(client_.sealed(expired, 20, digest_), digest_), 401);
        auto far = client_.opening(20, clock_.unix_seconds().value + 601);
        EXPECT_EQ(co_await pay(client_.sealed(far, 20, digest_), digest_), 401);
    });
}

TEST_F(WindowTest, VouchersCoverNoMoreThanIsReserved) {
    open_channel(200'000);
    run([this]() -> async::Task<void> {
        auto first = client_.opening(1, soon());
        client_.sealed(client_.with_voucher(first, 200'001), 1, digest_);
        EXPECT_EQ(co_await pay(first, digest_), 402);
        EXPECT_EQ(problem_.status, Status::payment_too_low);
        EXPECT_EQ(co_await pay(client_.with_voucher(first, 200'000), digest_), 200);
    });
    EXPECT_EQ(ledger_->payer(account())->spendable, Amount(199'000));
}

TEST_F(WindowTest, DustAndStrangersChannelsAreRefused) {
    run([this]() -> async::Task<void> {
        auto first = client_.opening(1, soon());
        client_.sealed(client_.with_voucher(first, 4000), 1, digest_);
        EXPECT_EQ(co_await pay(first, digest_), 402);
        EXPECT_TRUE(problem_.channel.empty());
        open_channel(99'999);
        EXPECT_EQ(co_await pay(first, digest_), 402);
        EXPECT_THAT(problem_.detail, HasSubstr("at least 0.100 USDC"));
    });
}

TEST_F(WindowTest, AcceptedVouchersOutliveCheckpointsAndRestarts) {
    open_channel();
    run([this]() -> async::Task<void> {
        auto first = client_.opening(7, soon());
        client_.sealed(client_.with_voucher(first, 4000), 7, digest_);
        EXPECT_EQ(co_await pay(first, digest_), 200);
        EXPECT_TRUE(co_await ledger_->checkpoint());
        auto more = client_.call(8, digest_);
        EXPECT_EQ(co_await pay(client_.with_voucher(more, 6000), digest_), 200);
    });
    const auto before = ledger_->payer(account())->voucher;
    close();
    open();
    EXPECT_EQ(ledger_->payer(account())->voucher, before);
    EXPECT_EQ(before->cumulative, Amount(6000));
    EXPECT_EQ(before->first_sequence, 7U);
    EXPECT_EQ(ledger_->find(account())->signer, client_.signer.address());
}

TEST(WindowMessage, RefusesWhatIsNotWhole) {
    for (const char* text : {
             "attached;method=\"window\";payload=:AAAA:",
             "attached;method=\"window\";payload=:AAAA:;channel=:AAAA:;sequence=1",
             "attached;method=\"window\";payload=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:;"
             "channel=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:;sequence=-1",
             "attached;method=\"window\";payload=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:;"
             "channel=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:;sequence=1;key=:AAAA:",
             "attached;method=\"window\";payload=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:;"
             "channel=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:;sequence=1;voucher=:e30=:",
         }) {
        const auto header = protocol::parse_payment_header(text);
        ASSERT_TRUE(header) << text;
        EXPECT_FALSE(parse_window_payment(*header)) << text;
    }
}

class ClaimTest : public testing::EscrowTest {};

TEST_F(ClaimTest, VouchersAreClaimedOnTheChainAndOnceOnly) {
    run([](testing::EscrowBench& bench) -> async::Task<void> {
        const auto signer = crypto::Secp256k1PrivateKey::generate();
        const identity::Domain domain{.chain_id = 31337, .escrow = bench.contracts.escrow};
        co_await bench.deposit(testing::kAlice, 10 * testing::kUsdc);
        co_await bench.act(testing::kAlice, bench.contracts.escrow,
            testing::escrow_abi::encode_approve_signer_salt(
                bench.provider, 1000, 5 * testing::kUsdc, signer.address(), Bytes32{{1}}));
        co_await bench.follow();
        std::optional<Bytes32> id;
        for (const PayerView& view : bench.ledger().payers()) {
            id = parse_channel_account(view.payer).value();
        }
        EXPECT_TRUE(id.has_value());
        const PayerAccount account = channel_account(*id);
        EXPECT_EQ(bench.ledger().find(account)->signer, signer.address());
        EXPECT_EQ(bench.ledger().spendable(account), Amount());
        const auto voucher =
            identity::sign_for_channel(identity::Voucher{*id, 2'000'000}, domain, signer);
        EXPECT_TRUE(bench.ledger().accept(account, {Amount(2'000'000), voucher.signature, 0}));
        co_await bench.spend(account, 1'500'000);
        auto settled = (co_await bench.settle()).value();
        EXPECT_EQ(settled.rows, 1U);
        EXPECT_EQ(settled.amount, Amount(1'500'000));
        EXPECT_EQ(co_await bench.claimed(*id), Amount(1'500'000));
        co_await bench.spend(account, 500'000);
        settled = (co_await bench.settle()).value();
        EXPECT_EQ(settled.amount, Amount(500'000));
        EXPECT_FALSE(bench.ledger().payer(account)->stopped);
        EXPECT_TRUE(bench.ledger().unsettled().empty());
        EXPECT_EQ(co_await bench.claimed(*id), Amount(2'000'000));
    });
}

}  // namespace
}  // namespace decloud::payments
