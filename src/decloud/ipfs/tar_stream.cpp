#include "tar_stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace decloud::ipfs {

namespace {

using content::NodeKind;

constexpr std::size_t kRecord = 512;
constexpr std::size_t kMostEntries = 100'000;
constexpr std::size_t kMostDepth = 64;
constexpr std::size_t kMostPath = 4096;
/// They are kept until all is sent.
constexpr std::uint64_t kMostPathBytes = std::uint64_t{16} << 20U;
constexpr std::size_t kNameField = 100;
/// The largest number of a field of 12 octal digits.
constexpr std::uint64_t kMaxOctal = (std::uint64_t{1} << 33U) - 1;

std::size_t padding_of(std::uint64_t size) {
    return static_cast<std::size_t>((kRecord - size % kRecord) % kRecord);
}

void put(Bytes& record, std::size_t at, std::string_view text, std::size_t most) {
    std::ranges::copy(
        as_bytes(text.substr(0, most)), std::next(record.begin(), static_cast<std::ptrdiff_t>(at)));
}

/// One ustar header (POSIX.1-2001, pax interchange format).
Bytes header(std::string_view name, std::string_view link, char type, std::uint64_t size) {
    Bytes record(kRecord, 0);
    put(record, 0, name, kNameField);
    put(record, 100, type == '5' ? "0000755" : "0000644", 8);
    put(record, 108, "0000000", 8);
    put(record, 116, "0000000", 8);
    put(record, 124, fmt::format("{:011o}", size > kMaxOctal ? 0 : size), 12);
    put(record, 136, "00000000000", 12);
    put(record, 148, "        ", 8);
    record[156] = static_cast<std::uint8_t>(type);
    put(record, 157, link, kNameField);
    put(record, 257, std::string_view("ustar\00000", 8), 8);
    unsigned sum = 0;
    for (const std::uint8_t byte : record) {
        sum += byte;
    }
    put(record, 148, fmt::format("{:06o}", sum), 6);
    record[154] = 0;
    return record;
}

/// "LENGTH key=value\n", where LENGTH counts itself.
std::string pax_line(std::string_view key, std::string_view value) {
    const std::size_t rest = key.size() + value.size() + 3;
    std::size_t length = rest + 1;
    while (std::to_string(length).size() + rest != length) {
        length = std::to_string(length).size() + rest;
    }
    return fmt::format("{} {}={}\n", length, key, value);
}

bool is_plain(std::string_view text) {
    return text.size() <= kNameField &&
           std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

Bytes entry_header(
    const std::string& name, const std::string& link, char type, std::uint64_t size) {
    std::string extended;
    if (!is_plain(name)) {
        extended += pax_line("path", name);
    }
    if (!is_plain(link)) {
        extended += pax_line("linkpath", link);
    }
    if (size > kMaxOctal) {
        extended += pax_line("size", std::to_string(size));
    }
    Bytes out;
    if (!extended.empty()) {
        out = header("pax", "", 'x', extended.size());
        append(out, extended);
        out.resize(out.size() + padding_of(extended.size()));
    }
    append(out, BytesView(header(name, link, type, size)));
    return out;
}

/// `name` put below `folder`, with "." and ".." in it taken literally; folder and result are
/// relative to the top. Nothing if it leads out of the tree.
std::optional<std::string> join(std::string_view folder, std::string_view name) {
    std::string joined(folder);
    while (true) {
        const std::size_t slash = name.find('/');
        const std::string_view part = name.substr(0, slash);
        if (part == "..") {
            if (joined.empty()) {
                return std::nullopt;
            }
            const std::size_t parent = joined.rfind('/');
            joined.resize(parent == std::string::npos ? 0 : parent);
        } else if (!part.empty() && part != ".") {
            joined += joined.empty() ? "" : "/";
            joined += part;
        }
        if (slash == std::string_view::npos) {
            return joined;
        }
        name.remove_prefix(slash + 1);
    }
}

}  // namespace

Result<std::unique_ptr<TarStream>> TarStream::open(
    const content::BlockStore& store, const content::Cid& cid, std::string root) {
    std::unique_ptr<TarStream> stream(new TarStream(store));
    stream->root_ = std::move(root);
    stream->budget_ = {
        .entries = kMostEntries, .shards = kMostEntries, .name_bytes = kMostPathBytes};
    TRY_VOID(stream->walk(cid, "", 0));
    return stream;
}

// As deep as `kMostDepth`.
// NOLINTNEXTLINE(misc-no-recursion)
Result<void> TarStream::walk(const content::Cid& cid, std::string path, std::size_t depth) {
    path_bytes_ += path.size();
    if (entries_.size() == kMostEntries || depth > kMostDepth || path.size() > kMostPath ||
        path_bytes_ > kMostPathBytes) {
        return fail(CommonError::limit_exceeded, "a tree that is too large for a tar file");
    }
    TRY(const content::NodeInfo info, content::stat_node(*store_, cid));
    entries_.push_back({.path = path, .cid = cid, .kind = info.kind});
    if (info.kind != NodeKind::directory) {
        return {};
    }
    TRY(const auto listed, content::list_within(*store_, cid, budget_));
    for (const content::DirectoryEntry& entry : listed) {
        auto inner = join(path, entry.name);
        if (!inner || inner->empty() || entry.name.find('\0') != std::string::npos) {
            return fail(
                CommonError::invalid_input, fmt::format("the name {:?} in {} leads out of the tree",
                                                entry.name, cid.to_string()));
        }
        TRY_VOID(walk(entry.cid, std::move(*inner), depth + 1));
    }
    return {};
}

Result<Bytes> TarStream::begin_entry(const Entry& entry) {
    const std::string name = entry.path.empty() ? root_ : root_ + "/" + entry.path;
    switch (entry.kind) {
        case NodeKind::directory:
            return entry_header(name + "/", "", '5', 0);
        case NodeKind::symlink: {
            TRY(const std::string target, content::read_symlink(*store_, entry.cid));
            return entry_header(name, target, '2', 0);
        }
        case NodeKind::file:
            break;
    }
    TRY(file_, content::FileReader::open(*store_, entry.cid));
    left_ = file_->size();
    padding_ = padding_of(left_);
    return entry_header(name, "", '0', left_);
}

Result<Bytes> TarStream::next() {
    if (file_ && left_ > 0) {
        TRY(Bytes piece, file_->next());
        if (piece.empty() || piece.size() > left_) {
            return fail(CommonError::corrupt, "a file of another size than it says");
        }
        left_ -= piece.size();
        return piece;
    }
    Bytes out(padding_, 0);
    padding_ = 0;
    file_.reset();
    if (next_entry_ < entries_.size()) {
        TRY(const Bytes begun, begin_entry(entries_[next_entry_++]));
        append(out, BytesView(begun));
        return out;
    }
    if (!std::exchange(ended_, true)) {
        out.resize(out.size() + 2 * kRecord);
    }
    return out;
}

}  // namespace decloud::ipfs
