#include "image_worker.hpp"

#include "../internal/one_shot.hpp"
#include "layer_writer.hpp"

#include <decloud/base/json.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace decloud::sandbox::oci {

using internal::UniqueFd;

namespace {

constexpr std::uint64_t kTableBytes = kMiB;

Result<void> unpack(BytesView zip, const std::string& entry, const ImageLimits& limits) {
    const ImageArchive archive(zip, entry);
    TRY(const ImageIndex index, archive.index());
    TRY(const ImageParts parts, find_image_parts(index, limits));
    const auto config = index.files.find(parts.config);
    if (config == index.files.end()) {
        return fail(CommonError::invalid_input, "image: its configuration is missing");
    }
    ImageStart start;
    TRY(start.config, parse_image_config(config->second));
    if (::mkdirat(AT_FDCWD, "root", 0755) != 0) {
        return fail(errno_error("making a folder"));
    }
    TRY(LayerWriter writer,
        LayerWriter::open(
            UniqueFd(::openat(AT_FDCWD, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), limits));
    for (const std::string& layer : parts.layers) {
        TRY_VOID(archive.read_file(
            layer, [&writer](ByteSource& source) { return writer.add_layer(source); }));
    }
    TRY(const std::string passwd, writer.read_file("etc/passwd", kTableBytes));
    TRY(const std::string group, writer.read_file("etc/group", kTableBytes));
    TRY(start.user, find_user(start.config.user, passwd, group));
    const UniqueFd file(::openat(AT_FDCWD, "start", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
    if (!file) {
        return fail(errno_error("making a file"));
    }
    const std::string text = to_text(start);
    return internal::write_all(file.get(), as_bytes(text));
}

}  // namespace

std::string to_text(const ImageStart& start) {
    json::Array arguments(start.config.arguments.begin(), start.config.arguments.end());
    json::Array environment;
    for (const auto& [name, value] : start.config.environment) {
        environment.push_back(json::Array{json::Value(name), json::Value(value)});
    }
    return json::to_text(json::Object{{"arguments", std::move(arguments)},
        {"environment", std::move(environment)}, {"folder", start.config.folder},
        {"user", start.user.user}, {"group", start.user.group}});
}

Result<ImageStart> parse_image_start(std::string_view text) {
    const auto wrong = [] {
        return fail(CommonError::invalid_input, "image: its start is damaged");
    };
    TRY(const json::Value value, json::parse(text, {.max_bytes = 2 * kMiB, .max_depth = 4}));
    if (!value.is_object()) {
        return wrong();
    }
    const json::Object& object = value.get_object();
    ImageStart start;
    TRY(const json::Array arguments, json::array_member(object, "arguments"));
    for (const json::Value& argument : arguments) {
        if (!argument.is_string()) {
            return wrong();
        }
        start.config.arguments.emplace_back(argument.get_string());
    }
    TRY(const json::Array environment, json::array_member(object, "environment"));
    for (const json::Value& variable : environment) {
        if (!variable.is_array() || variable.get_array().size() != 2 ||
            !variable.get_array()[0].is_string() || !variable.get_array()[1].is_string()) {
            return wrong();
        }
        start.config.environment.emplace_back(
            variable.get_array()[0].get_string(), variable.get_array()[1].get_string());
    }
    TRY(start.config.folder, json::string_member(object, "folder"));
    TRY(const std::uint64_t user, json::uint_member(object, "user"));
    TRY(const std::uint64_t group, json::uint_member(object, "group"));
    constexpr std::uint64_t kHighestId = 65'535;
    if (start.config.arguments.empty() || user > kHighestId || group > kHighestId) {
        return wrong();
    }
    TRY_VOID(check_command(start.config));
    start.user = {
        .user = static_cast<std::uint32_t>(user), .group = static_cast<std::uint32_t>(group)};
    return start;
}

int image_worker_main(int socket, const internal::AcceptedLayers& accepted) {
    return internal::serve_one_shot(
        socket, [&](internal::WireReader request, std::span<UniqueFd> fds) -> Result<UniqueFd> {
            const std::string entry(request.get_text());
            const ImageLimits limits{.total_bytes = request.get<std::uint64_t>()};
            if (!request.complete() || fds.size() != 2) {
                return fail(CommonError::internal, "bad request");
            }
            if (::fchdir(fds[1].get()) != 0) {
                return fail(errno_error("fchdir"));
            }
            fds[1].reset();
            TRY(const internal::MappedFile zip, internal::MappedFile::open(fds[0].get()));
            TRY_VOID(internal::confine({.keep_current_folder = true,
                                           .change_user = false,
                                           .address_space_bytes = kGiB,
                                           .file_bytes = limits.total_bytes + 1,
                                           .cpu_seconds = 60,
                                           .system_calls = internal::SystemCalls::image},
                accepted));
            ::umask(0);
            TRY_VOID(unpack(zip.view(), entry, limits));
            return UniqueFd();
        });
}

}  // namespace decloud::sandbox::oci
