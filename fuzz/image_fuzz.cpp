#include <decloud/sandbox/oci/image.hpp>
#include <decloud/sandbox/oci/image_worker.hpp>

#include <cstddef>
#include <cstdlib>
#include <string_view>

namespace oci = decloud::sandbox::oci;

namespace {

/// Every path that is let through stays where it is.
void try_paths(const oci::TarEntry& entry, const oci::ImageLimits& limits) {
    for (const std::string* path : {&entry.path, &entry.target}) {
        if (const auto parts = oci::split_image_path(*path, limits)) {
            for (const std::string& part : *parts) {
                if (part.empty() || part == "." || part == ".." ||
                    part.find('/') != std::string::npos || part.find('\0') != std::string::npos) {
                    std::abort();
                }
            }
        }
    }
}

/// A layer's entries and content, as far as it goes.
void try_layer(oci::ByteSource& source, const oci::ImageLimits& limits) {
    const auto tar = oci::ArchiveReader::open_tar(source);
    oci::TarEntry entry;
    for (std::uint32_t count = 0; tar && count < limits.entries; ++count) {
        const auto more = (*tar)->next(entry);
        if (!more || !*more) {
            return;
        }
        try_paths(entry, limits);
        for (std::size_t total = 0; total < limits.total_bytes;) {
            const auto bytes = (*tar)->next_bytes();
            if (!bytes || bytes->empty()) {
                break;
            }
            total += bytes->size();
        }
    }
}

}  // namespace

/// The same bytes as an image, as a layer, as a configuration and as a table of users.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const oci::ImageLimits limits{.total_bytes = 1U << 20, .entries = 100};
    const decloud::BytesView bytes(data, size);
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const oci::ImageArchive archive(bytes, "");
    if (const auto index = archive.index()) {
        if (const auto parts = oci::find_image_parts(*index, limits)) {
            for (const std::string& layer : parts->layers) {
                (void)archive.read_file(layer, [&limits](oci::ByteSource& source) {
                    try_layer(source, limits);
                    return decloud::Result<void>();
                });
            }
        }
    }
    oci::MemorySource source(bytes);
    try_layer(source, limits);
    if (const auto config = oci::parse_image_config(text);
        config && (config->arguments.empty() || !config->folder.starts_with('/'))) {
        std::abort();
    }
    if (const auto start = oci::parse_image_start(text);
        start && oci::parse_image_start(oci::to_text(*start)) != *start) {
        std::abort();
    }
    oci::ImageIndex index;
    index.files["manifest.json"] = std::string(text);
    (void)oci::find_image_parts(index, limits);
    (void)oci::find_user("www:staff", text, text);
    return 0;
}
