#pragma once

#include <decloud/async/event.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>
#include <decloud/net/http/client.hpp>
#include <decloud/registry/provider.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace decloud::gateway::internal {

/// A provider that runs a deployment, and what a call costs there in the smallest unit.
struct Offer {
    std::shared_ptr<const registry::Provider> provider;
    Uint128 price = 0;
};

/// How many deployments are remembered, for how long, and how providers are asked.
struct OffersSettings {
    /// Of those that somebody runs, and as many again of those that nobody does.
    std::size_t max_cids = 4096;
    /// Providers that are asked about one deployment (of more, those drawn by lot), and how many at
    /// a time.
    std::size_t max_asked = 1024;
    std::size_t parallel = 32;
    /// Deployments that are asked about at a time.
    std::size_t max_rounds = 64;
    std::chrono::steady_clock::duration ask_timeout = std::chrono::seconds(3);
    /// When providers are asked again, beside the calls.
    std::chrono::steady_clock::duration fresh = std::chrono::seconds(30);
    /// The same where nobody runs it: the next call waits for it.
    std::chrono::steady_clock::duration nobody = std::chrono::seconds(2);
    /// How long those that are slow to tell are waited for once one has said yes.
    std::chrono::steady_clock::duration grace = std::chrono::milliseconds(100);
    /// How long a call waits in all.
    std::chrono::steady_clock::duration find_timeout = std::chrono::seconds(10);
};

/// Which providers run a deployment: they are asked (`compute/describe`), and what they said is
/// remembered. Single threaded.
class Offers {
  public:
    using Ask = std::function<async::Task<Result<net::http::ClientResponse>>(
        registry::Provider, net::http::ClientRequest)>;
    using Providers = std::function<std::shared_ptr<const std::vector<registry::Provider>>()>;

    Offers(async::Executor executor, Providers providers, Ask ask, OffersSettings settings = {});
    Offers(const Offers&) = delete;
    Offers& operator=(const Offers&) = delete;

    /// Those who run it; empty if nobody does. Errors: limit_exceeded if too much is being asked
    /// already; unavailable while no provider is known or none has said yes in time.
    [[nodiscard]] async::Task<Result<std::vector<Offer>>> find(std::string cid);
    /// A provider has refused a call of it: it does not run it any more.
    void forget(const std::string& cid, std::string_view provider);
    /// Null: not registered, as far as is known.
    [[nodiscard]] std::shared_ptr<const registry::Provider> find_provider(std::string_view name);
    [[nodiscard]] std::shared_ptr<const registry::Provider> find_provider(const Address& account);
    [[nodiscard]] async::Task<void> stop();

  private:
    using TimePoint = std::chrono::steady_clock::time_point;
    struct Entry {
        explicit Entry(const async::Executor& executor) : changed(executor) {}
        async::Event changed;
        /// Prices by name.
        std::map<std::string, Uint128, std::less<>> prices;
        std::optional<TimePoint> asked;
        /// To be asked in this round, from the back.
        std::vector<std::shared_ptr<const registry::Provider>> queue;
        std::size_t running = 0;
        /// Its place in one of the lists.
        std::list<std::string>* list = nullptr;
        std::list<std::string>::iterator recent;
    };

    void update_index();
    [[nodiscard]] std::shared_ptr<Entry> find_entry(const std::string& cid);
    [[nodiscard]] std::shared_ptr<Entry> add_entry(const std::string& cid);
    /// Puts it into the list in which it belongs.
    void sort_in(const std::string& cid, const std::shared_ptr<Entry>& entry);
    void trim(std::list<std::string>& list);
    void fill_queue(Entry& entry);
    [[nodiscard]] bool is_due(const Entry& entry) const;
    [[nodiscard]] bool begin_round(const std::string& cid, const std::shared_ptr<Entry>& entry);
    [[nodiscard]] async::Task<void> work(std::string cid, std::shared_ptr<Entry> entry);
    /// Nothing: it did not tell. Otherwise its price, if it runs it.
    [[nodiscard]] async::Task<std::optional<std::optional<Uint128>>> ask_one(
        std::string cid, std::shared_ptr<const registry::Provider> provider);
    [[nodiscard]] async::Task<Result<Bytes>> exchange(
        std::string cid, std::shared_ptr<const registry::Provider> provider);

    async::Executor executor_;
    Providers providers_;
    Ask ask_;
    OffersSettings settings_;
    std::shared_ptr<const std::vector<registry::Provider>> listed_;
    std::map<std::string, std::shared_ptr<const registry::Provider>, std::less<>> by_name_;
    std::map<Address, std::shared_ptr<const registry::Provider>> by_account_;
    std::unordered_map<std::string, std::shared_ptr<Entry>> entries_;
    /// Cids with offers, the longest unused first.
    std::list<std::string> recent_;
    /// Those without, so that what strangers make up drives out nothing that somebody runs.
    std::list<std::string> vacant_;
    std::mt19937_64 random_;
    std::size_t rounds_ = 0;
    async::TaskGroup tasks_;
};

}  // namespace decloud::gateway::internal
