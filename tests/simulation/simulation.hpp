#pragma once

#include "bounds.hpp"
#include "chain.hpp"
#include "provider.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace decloud::simulation {

/// What is simulated: the same seed does the same in the same order, but for what threads and
/// processes add.
struct Settings {
    std::filesystem::path root;
    std::uint64_t seed = 1;
    /// Of 10 virtual minutes each.
    std::uint64_t steps = 180;
    std::uint64_t calls_per_step = 240;
    std::set<Bound> without;
    /// Ends when a bound is passed.
    bool stops = true;
};

/// Payers of all kinds, an honest provider, one who claims what it did not serve, and a chain that
/// stalls, censors and reorganises, under a clock that nobody waits for. The contracts, the ledger,
/// the follower, the sender and the settler are the product's.
class Simulation {
  public:
    Simulation(async::Executor executor, Settings settings);

    /// Runs to its end, or to the first bound that is passed.
    async::Task<void> run();
    [[nodiscard]] const Bounds& bounds() const { return bounds_; }
    /// In all: calls, kills, channels that ended, blocks replaced, steps without blocks, steps
    /// censored.
    [[nodiscard]] std::string totals() const;

  private:
    enum class Weather { calm, stalled, censored, reorganising };
    enum class Kind {
        honest,
        /// Closes again and again while it owes.
        leaver,
        /// Spends all it can and closes at once.
        drainer,
        /// Signs less than before, and with keys that are not the channel's.
        equivocator,
    };
    struct Payer {
        Address account;
        Kind kind = Kind::honest;
        /// In a step, of each channel.
        Amount rate;
        crypto::Secp256k1PrivateKey signer = crypto::Secp256k1PrivateKey::generate();
        /// The newest voucher that the signer really signed, by channel.
        std::map<std::string, Amount> signed_amount;
    };
    /// What is known of a channel with the honest provider.
    struct Channel {
        bool is_final = false;
        std::uint64_t closing_since = 0;
        /// When it last owed nothing, or a row of it was taken.
        std::uint64_t settled_at = 0;
        Amount claimed;
    };
    /// A channel of somebody with the provider who claims without serving.
    struct Victim {
        Address account;
        Bytes32 channel;
        Amount budget;
    };

    async::Task<void> start();
    async::Task<void> fund(Address payer);
    async::Task<void> open_channels(Address payer, Address signer);
    async::Task<void> step();
    async::Task<void> let_chain_go_on();
    void choose_weather();
    [[nodiscard]] bool may_be_disturbed() const;
    async::Task<void> let_payers_act();
    async::Task<void> act(Address account, Kind kind, Amount rate, payments::PayerView view);
    void sign_vouchers(Payer& payer, const payments::PayerView& view);
    std::vector<Provider::Order> orders();
    async::Task<void> let_rogue_claim();
    void look_at_exposure();
    void look_at(const payments::PayerView& view, const Payer& payer, Channel& channel);
    void look_at_end(const payments::PayerView& view, const Channel& channel);
    async::Task<void> look_at_escrow();
    Payer* owner_of(const payments::PayerView& view);
    [[nodiscard]] bool has(Bound bound) const { return !settings_.without.contains(bound); }
    [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    [[nodiscard]] std::string at(const payments::PayerView& view) const;

    async::Executor executor_;
    const Settings settings_;
    std::minstd_rand random_;
    ManualClock clock_{UnixSeconds{}};
    std::unique_ptr<Chain> chain_;
    std::unique_ptr<Provider> provider_;
    std::vector<Payer> payers_;
    std::map<std::string, Channel> channels_;
    std::vector<Victim> victims_;
    Address rogue_{};
    Bounds bounds_;

    std::uint64_t now_ = 0;
    Weather weather_ = Weather::calm;
    std::uint64_t weather_until_ = 0;
    /// When something other than calm weather, or a kill, was last.
    std::uint64_t disturbed_at_ = 0;
    /// When an outage began that lasts longer than any that T allows for, and when it ended.
    std::uint64_t long_from_ = 0;
    std::uint64_t long_until_ = 0;
    Amount deposited_;
    std::uint64_t kills_ = 0;
    std::uint64_t ended_ = 0;
    std::uint64_t reorganisations_ = 0;
    std::uint64_t stalled_ = 0;
    std::uint64_t censored_ = 0;
};

}  // namespace decloud::simulation
