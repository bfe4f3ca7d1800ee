#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace decloud::async {

namespace internal {
struct CancellationState;
}

/// The observing side of a cancellation. Cheap to copy. Single threaded: used on the executor of
/// its source. A default-constructed token is never cancelled.
class CancellationToken {
  public:
    /// Unregisters its callback when it is destroyed. Move-only.
    class Registration {
      public:
        Registration() = default;
        Registration(Registration&& other) noexcept;
        Registration& operator=(Registration&& other) noexcept;
        Registration(const Registration&) = delete;
        Registration& operator=(const Registration&) = delete;
        ~Registration();

      private:
        friend class CancellationToken;
        Registration(std::weak_ptr<internal::CancellationState> state, std::uint64_t id);
        void release();
        std::weak_ptr<internal::CancellationState> state_;
        std::uint64_t id_ = 0;
    };

    CancellationToken() = default;

    /// True once its source was cancelled; it stays so.
    [[nodiscard]] bool cancelled() const;
    /// Calls `callback` once when cancelled, at once if that has happened already. The callback
    /// must not throw.
    [[nodiscard]] Registration on_cancel(std::function<void()> callback) const;

  private:
    friend class CancellationSource;
    explicit CancellationToken(std::shared_ptr<internal::CancellationState> state);
    std::shared_ptr<internal::CancellationState> state_;
};

/// The side that cancels. Single threaded.
class CancellationSource {
  public:
    /// Not cancelled.
    CancellationSource();
    /// A token that observes this source. May outlive it; then it stays as it is.
    [[nodiscard]] CancellationToken token() const;
    /// True once `cancel` was called.
    [[nodiscard]] bool cancelled() const;
    /// Runs the registered callbacks, newest first. A second call does nothing.
    void cancel();

  private:
    std::shared_ptr<internal::CancellationState> state_;
};

}  // namespace decloud::async
