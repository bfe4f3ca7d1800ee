#include "content_type.hpp"

#include <decloud/base/ascii.hpp>
#include <decloud/base/encoding.hpp>

#include <algorithm>
#include <array>
#include <string>

namespace decloud::ipfs {

namespace {

struct Extension {
    std::string_view extension;
    std::string_view type;
};

constexpr std::array kExtensions = {
    Extension{"avif", "image/avif"},
    Extension{"bin", "application/octet-stream"},
    Extension{"bmp", "image/bmp"},
    Extension{"car", "application/vnd.ipld.car"},
    Extension{"cbor", "application/cbor"},
    Extension{"css", "text/css; charset=utf-8"},
    Extension{"csv", "text/csv; charset=utf-8"},
    Extension{"flac", "audio/flac"},
    Extension{"gif", "image/gif"},
    Extension{"gz", "application/gzip"},
    Extension{"htm", "text/html; charset=utf-8"},
    Extension{"html", "text/html; charset=utf-8"},
    Extension{"ico", "image/x-icon"},
    Extension{"jpeg", "image/jpeg"},
    Extension{"jpg", "image/jpeg"},
    Extension{"js", "text/javascript; charset=utf-8"},
    Extension{"json", "application/json"},
    Extension{"map", "application/json"},
    Extension{"md", "text/markdown; charset=utf-8"},
    Extension{"mjs", "text/javascript; charset=utf-8"},
    Extension{"mp3", "audio/mpeg"},
    Extension{"mp4", "video/mp4"},
    Extension{"oga", "audio/ogg"},
    Extension{"ogg", "audio/ogg"},
    Extension{"ogv", "video/ogg"},
    Extension{"otf", "font/otf"},
    Extension{"pdf", "application/pdf"},
    Extension{"png", "image/png"},
    Extension{"svg", "image/svg+xml"},
    Extension{"tar", "application/x-tar"},
    Extension{"ttf", "font/ttf"},
    Extension{"txt", "text/plain; charset=utf-8"},
    Extension{"wasm", "application/wasm"},
    Extension{"wav", "audio/wav"},
    Extension{"webm", "video/webm"},
    Extension{"webmanifest", "application/manifest+json"},
    Extension{"webp", "image/webp"},
    Extension{"woff", "font/woff"},
    Extension{"woff2", "font/woff2"},
    Extension{"xml", "text/xml; charset=utf-8"},
    Extension{"zip", "application/zip"},
};

struct Magic {
    std::string_view bytes;
    std::string_view type;
};

constexpr std::array kMagic = {
    Magic{"\x89PNG\r\n\x1a\n", "image/png"},
    Magic{"\xff\xd8\xff", "image/jpeg"},
    Magic{"GIF8", "image/gif"},
    Magic{"%PDF-", "application/pdf"},
    Magic{"PK\x03\x04", "application/zip"},
    Magic{"\x1f\x8b\x08", "application/gzip"},
    Magic{"OggS", "application/ogg"},
    Magic{"\x1a\x45\xdf\xa3", "video/webm"},
    Magic{std::string_view("\0asm", 4), "application/wasm"},
};

constexpr std::size_t kLooksAt = 512;

bool is_text(BytesView bytes) {
    const bool has_control = std::ranges::any_of(bytes, [](std::uint8_t byte) {
        return byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t' && byte != '\f';
    });
    // The last character may be cut.
    for (std::size_t cut = 0; cut < 4 && cut < bytes.size() && !has_control; ++cut) {
        if (is_utf8(bytes.first(bytes.size() - cut))) {
            return true;
        }
    }
    return bytes.empty();
}

std::string_view type_of_text(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    const std::string begin = to_lower(text.substr(0, 15));
    if (begin.starts_with("<!doctype html") || begin.starts_with("<html")) {
        return "text/html; charset=utf-8";
    }
    const auto next = std::min(text.find_first_not_of(" \t\r\n", 1), text.size());
    const char after = next < text.size() ? text[next] : '\0';
    const bool is_json = (text.starts_with("{") && (after == '"' || after == '}')) ||
                         (text.starts_with("[") && (after == '"' || after == '{' || after == ']'));
    return is_json ? "application/json" : "text/plain; charset=utf-8";
}

}  // namespace

std::string_view content_type_by_name(std::string_view filename) {
    const std::size_t dot = filename.rfind('.');
    if (dot == std::string_view::npos) {
        return {};
    }
    const std::string extension = to_lower(filename.substr(dot + 1));
    const auto known = std::ranges::find(kExtensions, extension, &Extension::extension);
    return known == kExtensions.end() ? std::string_view() : known->type;
}

std::string_view content_type(std::string_view filename, BytesView beginning) {
    if (const std::string_view known = content_type_by_name(filename); !known.empty()) {
        return known;
    }
    beginning = beginning.first(std::min(beginning.size(), kLooksAt));
    const std::string_view text = as_text(beginning);
    const auto magic = std::ranges::find_if(
        kMagic, [text](const Magic& each) { return text.starts_with(each.bytes); });
    if (magic != kMagic.end()) {
        return magic->type;
    }
    return is_text(beginning) ? type_of_text(text) : "application/octet-stream";
}

}  // namespace decloud::ipfs
