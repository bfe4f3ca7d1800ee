#include "image.hpp"

#include <decloud/base/json.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace decloud::sandbox::oci {

namespace {

constexpr std::size_t kSmallFile = kMiB;
constexpr std::size_t kSmallFiles = 16 * kMiB;
constexpr std::size_t kIndexEntries = 4096;
constexpr std::uint32_t kHighestId = 65'535;
constexpr json::Limits kJson{.max_bytes = kSmallFile, .max_depth = 16};
/// Indexes may name indexes, but not without end.
constexpr int kIndexDepth = 3;

#if defined(__x86_64__)
constexpr std::string_view kArchitecture = "amd64";
#elif defined(__aarch64__)
constexpr std::string_view kArchitecture = "arm64";
#else
constexpr std::string_view kArchitecture = "unknown";
#endif

std::unexpected<Error> refused(std::string detail) {
    return fail(CommonError::invalid_input, "image: " + std::move(detail));
}

/// Null, absent or a list of strings.
Result<std::vector<std::string>> texts(const json::Object& object, std::string_view name) {
    std::vector<std::string> out;
    const json::Value* value = object.if_contains(name);
    if (value == nullptr || value->is_null()) {
        return out;
    }
    if (!value->is_array()) {
        return refused(fmt::format("\"{}\" is no list", name));
    }
    for (const json::Value& each : value->get_array()) {
        if (!each.is_string() ||
            std::string_view(each.get_string()).find('\0') != std::string_view::npos) {
            return refused(fmt::format("\"{}\" has something else than text", name));
        }
        out.emplace_back(each.get_string());
    }
    return out;
}

/// Null, absent or a string.
Result<std::string> text(const json::Object& object, std::string_view name) {
    const json::Value* value = object.if_contains(name);
    if (value == nullptr || value->is_null()) {
        return std::string();
    }
    if (!value->is_string() ||
        std::string_view(value->get_string()).find('\0') != std::string_view::npos) {
        return refused(fmt::format("\"{}\" is no text", name));
    }
    return std::string(value->get_string());
}

/// A path in the archive without its "./".
std::string plain(std::string_view path) {
    while (path.starts_with("./")) {
        path.remove_prefix(2);
    }
    return std::string(path);
}

/// Where a symbolic link of the archive leads.
std::string link_target(const std::string& path, std::string_view target) {
    std::string folder = path.substr(0, path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    while (target.starts_with("../")) {
        target.remove_prefix(3);
        folder.resize(folder.rfind('/') == std::string::npos ? 0 : folder.rfind('/'));
    }
    return folder.empty() ? std::string(target) : folder + "/" + std::string(target);
}

Result<json::Value> parse_file(const ImageIndex& index, const std::string& path) {
    const auto file = index.files.find(path);
    if (file == index.files.end()) {
        return refused(fmt::format("there is no file {}", path.substr(0, 200)));
    }
    return json::parse(file->second, kJson);
}

Result<json::Object> object_in(const ImageIndex& index, const std::string& path) {
    TRY(json::Value value, parse_file(index, path));
    if (!value.is_object()) {
        return refused(path.substr(0, 200) + " is no object");
    }
    return std::move(value.get_object());
}

/// "sha256:0123…" → "blobs/sha256/0123…".
Result<std::string> blob_path(const json::Object& descriptor) {
    TRY(const std::string digest, json::string_member(descriptor, "digest"));
    const std::size_t colon = digest.find(':');
    const auto good = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); };
    if (colon == std::string::npos || colon == 0 || digest.size() > 256 ||
        !std::ranges::all_of(digest.substr(0, colon), good) ||
        !std::ranges::all_of(digest.substr(colon + 1), good)) {
        return refused("a digest is malformed");
    }
    return "blobs/" + digest.substr(0, colon) + "/" + digest.substr(colon + 1);
}

bool is_for_here(const json::Object& descriptor) {
    const json::Value* platform = descriptor.if_contains("platform");
    if (platform == nullptr || !platform->is_object()) {
        return true;
    }
    const json::Value* architecture = platform->get_object().if_contains("architecture");
    const json::Value* system = platform->get_object().if_contains("os");
    return architecture != nullptr && *architecture == json::Value(kArchitecture) &&
           system != nullptr && *system == json::Value("linux");
}

Result<ImageParts> parts_of_docker(const json::Value& value, const ImageIndex& index) {
    if (!value.is_array() || value.get_array().size() != 1 ||
        !value.get_array().front().is_object()) {
        return refused("manifest.json does not list one image");
    }
    const json::Object& image = value.get_array().front().get_object();
    ImageParts parts;
    TRY(parts.config, json::string_member(image, "Config"));
    TRY(parts.layers, texts(image, "Layers"));
    for (std::string& layer : parts.layers) {
        if (const auto link = index.links.find(layer); link != index.links.end()) {
            layer = link_target(layer, link->second);
        }
    }
    return parts;
}

Result<ImageParts> parts_of_layout(const ImageIndex& index, std::string path) {
    for (int depth = 0; depth < kIndexDepth; ++depth) {
        TRY(const json::Object object, object_in(index, path));
        ImageParts parts;
        if (object.contains("layers")) {
            TRY(const json::Object config, json::object_member(object, "config"));
            TRY(parts.config, blob_path(config));
            TRY(const json::Array layers, json::array_member(object, "layers"));
            for (const json::Value& layer : layers) {
                if (!layer.is_object()) {
                    return refused("a layer is no object");
                }
                TRY(std::string blob, blob_path(layer.get_object()));
                parts.layers.push_back(std::move(blob));
            }
            return parts;
        }
        TRY(const json::Array manifests, json::array_member(object, "manifests"));
        const auto ours = std::ranges::find_if(manifests, [](const json::Value& each) {
            return each.is_object() && is_for_here(each.get_object());
        });
        if (ours == manifests.end()) {
            return refused(fmt::format("it is not for linux/{}", kArchitecture));
        }
        TRY(path, blob_path(ours->get_object()));
    }
    return refused("its indexes go too deep");
}

std::optional<std::uint32_t> number(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    return problem == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                      : std::nullopt;
}

/// The columns of the line whose column `column` is `wanted`.
std::vector<std::string_view> find_line(
    std::string_view table, std::size_t column, std::string_view wanted) {
    while (!table.empty()) {
        const std::size_t end = table.find('\n');
        std::string_view line = table.substr(0, end);
        table = end == std::string_view::npos ? std::string_view() : table.substr(end + 1);
        std::vector<std::string_view> columns;
        while (columns.size() < 7 && !line.empty()) {
            const std::size_t colon = line.find(':');
            columns.push_back(line.substr(0, colon));
            line = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
        }
        if (columns.size() > 3 - (column == 0 ? 1U : 0U) && columns[column] == wanted) {
            return columns;
        }
    }
    return {};
}

Result<std::uint32_t> checked_id(std::optional<std::uint32_t> id, std::string_view wanted) {
    if (!id || *id > kHighestId) {
        return refused(fmt::format("it has no user or group '{}'", wanted.substr(0, 64)));
    }
    return *id;
}

}  // namespace

Result<void> check_command(const ImageConfig& config) {
    std::size_t size = config.folder.size();
    for (const std::string& argument : config.arguments) {
        size += argument.size() + 1;
    }
    return size > kMaximumCommand ? Result<void>(refused("its command is too long"))
                                  : Result<void>();
}

Result<ImageConfig> parse_image_config(std::string_view json_text) {
    TRY(const json::Value value, json::parse(json_text, kJson));
    if (!value.is_object()) {
        return refused("its configuration is no object");
    }
    const json::Value* inner = value.get_object().if_contains("config");
    const json::Object config =
        inner != nullptr && inner->is_object() ? inner->get_object() : json::Object();
    ImageConfig out;
    TRY(out.arguments, texts(config, "Entrypoint"));
    TRY(const auto more, texts(config, "Cmd"));
    out.arguments.insert(out.arguments.end(), more.begin(), more.end());
    if (out.arguments.empty() || out.arguments.front().empty()) {
        return refused("it says neither Entrypoint nor Cmd");
    }
    TRY(const auto environment, texts(config, "Env"));
    for (const std::string& variable : environment) {
        const std::size_t equals = variable.find('=');
        if (equals == std::string::npos || equals == 0) {
            return refused("a variable has no name");
        }
        out.environment.emplace_back(variable.substr(0, equals), variable.substr(equals + 1));
    }
    TRY(out.folder, text(config, "WorkingDir"));
    if (out.folder.empty()) {
        out.folder = "/";
    } else if (!out.folder.starts_with('/')) {
        return refused("its working directory is no absolute path");
    }
    TRY(out.user, text(config, "User"));
    TRY_VOID(check_command(out));
    return out;
}

Result<ImageParts> find_image_parts(const ImageIndex& index, const ImageLimits& limits) {
    ImageParts parts;
    if (index.files.contains("manifest.json")) {
        TRY(const json::Value value, parse_file(index, "manifest.json"));
        TRY(parts, parts_of_docker(value, index));
    } else if (index.files.contains("index.json")) {
        TRY(parts, parts_of_layout(index, "index.json"));
    } else {
        return refused("it has neither manifest.json (docker save) nor index.json (OCI layout)");
    }
    if (parts.layers.size() > limits.layers) {
        return fail(CommonError::limit_exceeded,
            fmt::format("image: it has more than {} layers", limits.layers));
    }
    return parts;
}

Result<ImageIndex> ImageArchive::index() const {
    ImageIndex index;
    std::size_t total = 0;
    std::size_t entries = 0;
    TRY_VOID(scan([&](const TarEntry& entry, ByteSource& source) -> Result<bool> {
        if (++entries > kIndexEntries) {
            return fail(CommonError::limit_exceeded, "image: it has too many parts");
        }
        if (entry.kind == TarEntry::Kind::symlink) {
            index.links[plain(entry.path)] = entry.target;
        }
        if (entry.kind != TarEntry::Kind::file) {
            return true;
        }
        std::string content;
        while (true) {
            TRY(const BytesView bytes, source.next_bytes());
            if (bytes.empty()) {
                break;
            }
            content += as_text(bytes);
            if (content.size() > kSmallFile) {
                return true;
            }
        }
        total += content.size();
        if (total <= kSmallFiles) {
            index.files[plain(entry.path)] = std::move(content);
        }
        return true;
    }));
    return index;
}

Result<void> ImageArchive::read_file(const std::string& path, const Read& read) const {
    bool found = false;
    TRY_VOID(scan([&](const TarEntry& entry, ByteSource& source) -> Result<bool> {
        if (entry.kind != TarEntry::Kind::file || plain(entry.path) != path) {
            return true;
        }
        found = true;
        TRY_VOID(read(source));
        return false;
    }));
    if (!found) {
        return refused(fmt::format("there is no file {}", path.substr(0, 200)));
    }
    return {};
}

Result<void> ImageArchive::scan(const Visit& visit) const {
    if (entry_.empty()) {
        MemorySource source(bytes_);
        return scan_tar(source, visit);
    }
    TRY(const auto zip, ArchiveReader::open_zip(bytes_));
    TarEntry entry;
    while (true) {
        TRY(const bool more, zip->next(entry));
        if (!more) {
            return refused(fmt::format("the package has no file {}", entry_));
        }
        if (entry.kind == TarEntry::Kind::file && entry.path == entry_) {
            return scan_tar(*zip, visit);
        }
    }
}

Result<void> ImageArchive::scan_tar(ByteSource& source, const Visit& visit) const {
    TRY(const auto tar, ArchiveReader::open_tar(source));
    TarEntry entry;
    while (true) {
        TRY(const bool more, tar->next(entry));
        if (!more) {
            return {};
        }
        TRY(const bool go_on, visit(entry, *tar));
        if (!go_on) {
            return {};
        }
    }
}

Result<std::vector<std::string>> split_image_path(
    std::string_view path, const ImageLimits& limits) {
    if (path.size() > limits.path_bytes || path.find('\0') != std::string_view::npos) {
        return refused("a path is too long or has NUL");
    }
    std::vector<std::string> parts;
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        const std::string_view part = path.substr(0, slash);
        path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
        if (part == "..") {
            return refused("a path has '..'");
        }
        if (!part.empty() && part != ".") {
            parts.emplace_back(part);
        }
    }
    if (parts.size() > limits.path_depth) {
        return refused("a path is too deep");
    }
    return parts;
}

Result<ImageUser> find_user(
    std::string_view wanted, std::string_view passwd, std::string_view group) {
    ImageUser out;
    const std::size_t colon = wanted.find(':');
    const std::string_view user = wanted.substr(0, colon);
    if (!user.empty()) {
        auto id = number(user);
        const auto line = id ? find_line(passwd, 2, user) : find_line(passwd, 0, user);
        if (!id && line.size() > 2) {
            id = number(line[2]);
        }
        TRY(out.user, checked_id(id, user));
        if (line.size() > 3) {
            TRY(out.group, checked_id(number(line[3]), line[3]));
        }
    }
    if (colon != std::string_view::npos) {
        const std::string_view name = wanted.substr(colon + 1);
        auto id = number(name);
        if (const auto line = find_line(group, 0, name); !id && line.size() > 2) {
            id = number(line[2]);
        }
        TRY(out.group, checked_id(id, name));
    }
    return out;
}

}  // namespace decloud::sandbox::oci
