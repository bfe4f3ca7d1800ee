#include "open_windows.hpp"

namespace decloud::payments::internal {

const OpenWindow* OpenWindows::find(
    const Bytes32& channel, std::uint64_t sequence, UnixSeconds now) const {
    const auto found = channels_.find(channel);
    if (found == channels_.end()) {
        return nullptr;
    }
    const Pair& pair = found->second;
    const OpenWindow& window = sequence >= pair.newest.first_sequence ? pair.newest : pair.before;
    const bool open = sequence >= window.first_sequence && now.value < window.valid_before;
    return open ? &window : nullptr;
}

const OpenWindow* OpenWindows::newest(const Bytes32& channel) const {
    const auto found = channels_.find(channel);
    return found == channels_.end() ? nullptr : &found->second.newest;
}

bool OpenWindows::add(const Bytes32& channel, const OpenWindow& window, UnixSeconds now) {
    if (const auto found = channels_.find(channel); found != channels_.end()) {
        found->second.before = found->second.newest;
        found->second.newest = window;
        return true;
    }
    if (channels_.size() >= limit_) {
        std::erase_if(channels_,
            [now](const auto& entry) { return entry.second.newest.valid_before <= now.value; });
    }
    if (channels_.size() >= limit_) {
        return false;
    }
    channels_[channel].newest = window;
    return true;
}

}  // namespace decloud::payments::internal
