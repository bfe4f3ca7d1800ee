#include "archive_reader.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <cerrno>

namespace decloud::sandbox::oci {

namespace {

constexpr std::size_t kBlock = 64 * 1024;

la_ssize_t read_source(archive* reader, void* client, const void** data) {
    const auto bytes = static_cast<ByteSource*>(client)->next_bytes();
    if (!bytes) {
        archive_set_error(reader, EIO, "%s", bytes.error().detail().c_str());
        return ARCHIVE_FATAL;
    }
    *data = bytes->data();
    return static_cast<la_ssize_t>(bytes->size());
}

std::string text_of(const char* utf8, const char* raw) {
    const char* text = utf8 != nullptr ? utf8 : raw;
    return text == nullptr ? std::string() : std::string(text);
}

TarEntry::Kind kind_of(archive_entry* entry) {
    if (archive_entry_hardlink(entry) != nullptr || archive_entry_hardlink_utf8(entry) != nullptr) {
        return TarEntry::Kind::hardlink;
    }
    const auto type = archive_entry_filetype(entry);
    return type == AE_IFREG   ? TarEntry::Kind::file
           : type == AE_IFDIR ? TarEntry::Kind::folder
           : type == AE_IFLNK ? TarEntry::Kind::symlink
                              : TarEntry::Kind::other;
}

}  // namespace

ArchiveReader::ArchiveReader() : archive_(archive_read_new()), buffer_(kBlock) {}

ArchiveReader::~ArchiveReader() { archive_read_free(archive_); }

Result<std::unique_ptr<ArchiveReader>> ArchiveReader::open_tar(ByteSource& source) {
    std::unique_ptr<ArchiveReader> reader(new ArchiveReader);
    reader->source_ = &source;
    if (reader->archive_ == nullptr ||
        archive_read_support_format_tar(reader->archive_) != ARCHIVE_OK ||
        archive_read_support_format_empty(reader->archive_) != ARCHIVE_OK ||
        archive_read_support_filter_gzip(reader->archive_) != ARCHIVE_OK ||
        archive_read_support_filter_zstd(reader->archive_) != ARCHIVE_OK) {
        return fail(CommonError::unavailable, "libarchive without tar, gzip or zstd");
    }
    if (archive_read_open(reader->archive_, &source, nullptr, read_source, nullptr) != ARCHIVE_OK) {
        return reader->broken();
    }
    return reader;
}

Result<std::unique_ptr<ArchiveReader>> ArchiveReader::open_zip(BytesView zip) {
    std::unique_ptr<ArchiveReader> reader(new ArchiveReader);
    if (reader->archive_ == nullptr ||
        archive_read_support_format_zip_seekable(reader->archive_) != ARCHIVE_OK) {
        return fail(CommonError::unavailable, "libarchive without zip");
    }
    if (archive_read_open_memory(reader->archive_, zip.data(), zip.size()) != ARCHIVE_OK) {
        return reader->broken();
    }
    return reader;
}

Result<bool> ArchiveReader::next(TarEntry& entry) {
    archive_entry* raw = nullptr;
    const int status = archive_read_next_header(archive_, &raw);
    if (status == ARCHIVE_EOF) {
        return false;
    }
    // A warning is about attributes that nobody looks at here, or a name in no known character set.
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) {
        return broken();
    }
    entry.kind = kind_of(raw);
    entry.path = text_of(archive_entry_pathname_utf8(raw), archive_entry_pathname(raw));
    entry.target = entry.kind == TarEntry::Kind::hardlink
                       ? text_of(archive_entry_hardlink_utf8(raw), archive_entry_hardlink(raw))
                       : text_of(archive_entry_symlink_utf8(raw), archive_entry_symlink(raw));
    entry.executable = (archive_entry_perm(raw) & 0111) != 0;
    return true;
}

Result<BytesView> ArchiveReader::next_bytes() {
    const la_ssize_t count = archive_read_data(archive_, buffer_.data(), buffer_.size());
    if (count < 0) {
        return broken();
    }
    return BytesView(buffer_).first(static_cast<std::size_t>(count));
}

std::unexpected<Error> ArchiveReader::broken() const {
    const char* text = archive_ == nullptr ? nullptr : archive_error_string(archive_);
    return fail(CommonError::invalid_input,
        fmt::format("image: not a good archive ({})", text == nullptr ? "no reason given" : text));
}

}  // namespace decloud::sandbox::oci
