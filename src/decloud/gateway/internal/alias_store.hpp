#pragma once

#include <decloud/async/task.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/result.hpp>
#include <decloud/identity/alias_binding.hpp>
#include <decloud/protocol/problem.hpp>
#include <decloud/store/record_store.hpp>

#include <boost/asio/thread_pool.hpp>

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::gateway::internal {

/// For whom aliases are kept, and how many.
struct AliasStoreSettings {
    identity::Domain domain{};
    /// The gateway's: what a binding has to name.
    std::string gateway;
    std::size_t max_aliases = 10'000;
    std::size_t max_per_owner = 100;
    /// Versions of an alias that are kept to go back to; the oldest go first.
    std::size_t max_history = 16;
};

/// What aliases stand for: the signed bindings of their owners, durable. Whoever binds an alias
/// first owns it at this gateway. Single threaded; writing happens on `pool`.
class AliasStore {
  public:
    /// Reads what is there. `pool` outlives this. Errors: the store's; corrupt for a record that is
    /// no binding.
    [[nodiscard]] static Result<std::unique_ptr<AliasStore>> open(const std::filesystem::path& path,
        boost::asio::thread_pool& pool,
        AliasStoreSettings settings);

    /// Durable when it returns. Problems: 400 for another gateway, alias or no cid; 403 for
    /// another's alias or a wrong signature; 409 for a version that is not newer; 429 and 507 for
    /// too many.
    [[nodiscard]] async::Task<protocol::Checked<void>> set(
        identity::Signed<identity::AliasBinding> binding);
    /// The cid that an alias stands for.
    [[nodiscard]] std::optional<std::string> find(std::string_view alias) const;
    /// `alias`, `owner`, `cid`, `version` and `history`: the signed bindings, the newest last.
    [[nodiscard]] std::optional<json::Object> describe(std::string_view alias) const;

  private:
    using Bindings = std::vector<identity::Signed<identity::AliasBinding>>;

    AliasStore(std::unique_ptr<store::RecordStore> records,
        boost::asio::thread_pool& pool,
        AliasStoreSettings settings);
    [[nodiscard]] Result<void> read();
    [[nodiscard]] protocol::Checked<void> judge(
        const identity::Signed<identity::AliasBinding>& binding) const;
    [[nodiscard]] static std::string to_text(const Bindings& bindings);

    std::unique_ptr<store::RecordStore> records_;
    boost::asio::thread_pool& pool_;
    AliasStoreSettings settings_;
    /// The newest last; never empty.
    std::map<std::string, Bindings, std::less<>> aliases_;
    std::map<Address, std::size_t> per_owner_;
};

}  // namespace decloud::gateway::internal
