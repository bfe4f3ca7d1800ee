#include "clock.hpp"

#include <ctime>

namespace decloud {

namespace {
class SystemClock final : public Clock {
  public:
    [[nodiscard]] std::chrono::system_clock::time_point now() const override {
        return std::chrono::system_clock::now();
    }
};
}  // namespace

UnixSeconds Clock::unix_seconds() const {
    const auto since = std::chrono::duration_cast<std::chrono::seconds>(now().time_since_epoch());
    return {static_cast<std::uint64_t>(since.count())};
}

const Clock& system_clock() {
    static const SystemClock clock;
    return clock;
}

std::string format_utc(UnixSeconds time) {
    const auto seconds = static_cast<std::time_t>(time.value);
    std::tm parts{};
    if (gmtime_r(&seconds, &parts) == nullptr) {
        return "?";
    }
    std::string out(32, '\0');
    out.resize(std::strftime(out.data(), out.size(), "%Y-%m-%dT%H:%M:%SZ", &parts));
    return out;
}

}  // namespace decloud
