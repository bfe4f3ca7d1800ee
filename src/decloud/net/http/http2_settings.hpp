#pragma once

#include <cstddef>
#include <cstdint>

namespace decloud::net::http {

/// What one HTTP/2 connection may take up. A peer that goes beyond a rate is told
/// ENHANCE_YOUR_CALM and disconnected. Header sizes are bounded by `Limits`, times by the server's.
struct Http2Settings {
    std::uint32_t max_concurrent_streams = 128;
    /// What may arrive of one body, and of all bodies, before somebody reads it.
    std::int32_t stream_window_bytes = 256 * 1024;
    std::int32_t connection_window_bytes = 1024 * 1024;
    /// CONTINUATION frames of one header block.
    std::size_t max_continuations = 8;
    /// Acknowledgements (PING, SETTINGS) that wait because the peer does not read.
    std::size_t max_pending_acknowledgements = 256;
    /// Entries of one SETTINGS frame.
    std::size_t max_settings_entries = 32;
    /// PING, SETTINGS, PRIORITY, unknown and empty frames, and window updates of under 1 KiB: how
    /// many at once, and how many a second after that.
    std::uint32_t control_frame_burst = 1000;
    std::uint32_t control_frames_per_second = 100;
    /// Streams that the peer begins and resets, or that are reset for its mistakes.
    std::uint32_t reset_burst = 500;
    std::uint32_t resets_per_second = 50;
};

}  // namespace decloud::net::http
