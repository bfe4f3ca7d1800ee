#pragma once

#include <decloud/pipeline/authentication.hpp>
#include <decloud/store/record_store.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace decloud::node {

/// Ids that were left for others, on disk. Not thread safe.
class SuccessionRecords final : public pipeline::Successions {
  public:
    /// Ids of which `matters` is true are always kept, a bounded number of others. `records`
    /// outlives this.
    SuccessionRecords(store::RecordStore& records, std::function<bool(const std::string&)> matters);

    [[nodiscard]] std::string successor_of(std::string_view id) const override;
    /// On disk when it returns; a disk that refuses is logged, and it is known until the next
    /// start.
    void learn(const protocol::Credential& earlier) override;

  private:
    store::RecordStore& records_;
    std::function<bool(const std::string&)> matters_;
    std::map<std::string, std::string, std::less<>> successors_;
};

/// What tells who a request of a node comes from. Clock and successions outlive it.
[[nodiscard]] std::unique_ptr<pipeline::Authentication> make_authentication(const Clock& clock,
    std::string audience,
    const std::string& public_url,
    SuccessionRecords& successions);

}  // namespace decloud::node
