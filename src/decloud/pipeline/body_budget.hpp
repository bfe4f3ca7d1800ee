#pragma once

#include <decloud/base/units.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace decloud::pipeline {

/// How much memory may hold bodies of requests that nobody has paid for yet, in all and for one
/// client. Single threaded.
class BodyBudget {
  public:
    /// In bytes.
    struct Limits {
        std::uint64_t total = 64 * kMiB;
        std::uint64_t per_client = 32 * kMiB;
    };

    /// Some of the budget, given back when it is destroyed. The budget outlives it.
    class Share {
      public:
        /// Takes the share over; `other` gives nothing back any more.
        Share(Share&& other) noexcept
            : budget_(std::exchange(other.budget_, nullptr)),
              client_(std::move(other.client_)),
              bytes_(other.bytes_) {}
        Share& operator=(Share&&) = delete;
        Share(const Share&) = delete;
        Share& operator=(const Share&) = delete;
        ~Share() {
            if (budget_ != nullptr) {
                budget_->give_back(client_, bytes_);
            }
        }

      private:
        friend class BodyBudget;
        Share(BodyBudget* budget, std::string client, std::uint64_t bytes)
            : budget_(budget), client_(std::move(client)), bytes_(bytes) {}
        BodyBudget* budget_;
        std::string client_;
        std::uint64_t bytes_;
    };

    /// All of it is free.
    explicit BodyBudget(Limits limits) : limits_(limits) {}

    /// Nothing if there is no room. `client` as `protocol::Call::client`.
    [[nodiscard]] std::optional<Share> reserve(std::string_view client, std::uint64_t bytes);
    /// Bytes that shares hold now.
    [[nodiscard]] std::uint64_t used() const { return used_; }

  private:
    void give_back(const std::string& client, std::uint64_t bytes);

    Limits limits_;
    std::uint64_t used_ = 0;
    std::unordered_map<std::string, std::uint64_t> clients_;
};

}  // namespace decloud::pipeline
