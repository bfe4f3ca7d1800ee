#pragma once

#include <decloud/base/bytes.hpp>

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace decloud::sandbox::oci {

/// One entry of a tar file made by a test, good or not.
struct TarItem {
    std::string path;
    std::string content = {};
    unsigned mode = 0100644;
    std::string symlink = {};
    std::string hardlink = {};
};

/// As it says, gzipped or not.
inline Bytes make_tar(const std::vector<TarItem>& items, bool gzip = false) {
    std::size_t size = 65'536;
    for (const TarItem& item : items) {
        size += item.content.size() + 4096;
    }
    Bytes tar(size);
    archive* writer = archive_write_new();
    archive_write_set_format_pax_restricted(writer);
    if (gzip) {
        archive_write_add_filter_gzip(writer);
    }
    std::size_t used = 0;
    archive_write_open_memory(writer, tar.data(), tar.size(), &used);
    for (const TarItem& item : items) {
        archive_entry* entry = archive_entry_new();
        archive_entry_set_pathname(entry, item.path.c_str());
        archive_entry_set_mode(entry, static_cast<mode_t>(item.mode));
        archive_entry_set_size(entry, static_cast<la_int64_t>(item.content.size()));
        if (!item.symlink.empty()) {
            archive_entry_set_filetype(entry, AE_IFLNK);
            archive_entry_set_symlink(entry, item.symlink.c_str());
        }
        if (!item.hardlink.empty()) {
            archive_entry_set_hardlink(entry, item.hardlink.c_str());
        }
        EXPECT_EQ(archive_write_header(writer, entry), ARCHIVE_OK) << archive_error_string(writer);
        archive_write_data(writer, item.content.data(), item.content.size());
        archive_entry_free(entry);
    }
    EXPECT_EQ(archive_write_close(writer), ARCHIVE_OK);
    archive_write_free(writer);
    tar.resize(used);
    return tar;
}

inline constexpr unsigned kFolderMode = 0040755;

}  // namespace decloud::sandbox::oci
