#include "package.hpp"

#include "error.hpp"

#include <decloud/store/atomic_file.hpp>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <fstream>
#include <memory>
#include <set>

namespace decloud::client {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMaxPackageBytes = 256U << 20U;

struct FreeArchive {
    void operator()(archive* object) const { archive_write_free(object); }
};
struct FreeEntry {
    void operator()(archive_entry* object) const { archive_entry_free(object); }
};
using ArchivePointer = std::unique_ptr<archive, FreeArchive>;
using EntryPointer = std::unique_ptr<archive_entry, FreeEntry>;

la_ssize_t append_output(archive*, void* target, const void* data, std::size_t size) {
    append(*static_cast<Bytes*>(target), BytesView(static_cast<const std::uint8_t*>(data), size));
    return static_cast<la_ssize_t>(size);
}

std::unexpected<Error> archive_failed(archive* object) {
    const char* text = archive_error_string(object);
    return fail(CommonError::internal, std::string("zip: ") + (text == nullptr ? "" : text));
}

Result<void> check_path(const std::string& path) {
    const fs::path parsed(path);
    const bool bad = path.empty() || parsed.is_absolute() || path.find('\0') != std::string::npos ||
                     std::ranges::any_of(parsed, [](const fs::path& part) {
                         return part == ".." || part == "." || part.empty();
                     });
    if (bad) {
        return fail(CommonError::invalid_input, "\"" + path + "\" cannot be a path in a package");
    }
    return {};
}

Result<void> add_file(archive* zip, const PackageFile& file) {
    const EntryPointer entry(archive_entry_new());
    archive_entry_set_pathname_utf8(entry.get(), file.path.c_str());
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), file.executable ? 0755 : 0644);
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(file.content.size()));
    // No time: libarchive then writes the first one that a zip can have, in any time zone.
    if (archive_write_header(zip, entry.get()) != ARCHIVE_OK) {
        return archive_failed(zip);
    }
    const auto written = archive_write_data(zip, file.content.data(), file.content.size());
    if (written < 0 || static_cast<std::size_t>(written) != file.content.size()) {
        return archive_failed(zip);
    }
    return {};
}

class FolderLock {
  public:
    explicit FolderLock(const fs::path& folder)
        : descriptor_(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
        if (descriptor_ >= 0) {
            (void)flock(descriptor_, LOCK_EX);
        }
    }
    FolderLock(const FolderLock&) = delete;
    FolderLock& operator=(const FolderLock&) = delete;
    ~FolderLock() {
        if (descriptor_ >= 0) {
            close(descriptor_);
        }
    }

  private:
    int descriptor_;
};

bool matches(const std::string& pattern, const std::string& path) {
    const std::string plain = fs::path(pattern).lexically_normal().string();
    const std::string folder = plain.ends_with('/') ? plain : plain + "/";
    return plain == "." || plain == "./" || path.starts_with(folder) ||
           fnmatch(plain.c_str(), path.c_str(), FNM_PATHNAME | FNM_PERIOD) == 0;
}

Result<PackageFile> read_package_file(
    const fs::path& root, const std::string& relative, std::uint64_t& left) {
    std::error_code failed;
    const fs::path real = fs::canonical(root / relative, failed);
    const std::string inside = failed ? "" : real.lexically_relative(root).string();
    if (failed || inside.starts_with("..")) {
        return fail(ClientError::usage,
            (root / relative).string() + " leads out of the project, so it is not packaged");
    }
    auto content = store::read_file(real, left);
    if (!content && content.error() == make_error_code(CommonError::limit_exceeded)) {
        return fail(CommonError::limit_exceeded, "a package holds at most 256 MiB");
    }
    if (!content) {
        return fail(std::move(content.error()));
    }
    left -= content->size();
    const fs::perms mode = fs::status(real, failed).permissions();
    return PackageFile{.path = relative,
        .content = std::move(*content),
        .executable = (mode & fs::perms::owner_exec) != fs::perms::none};
}

Result<std::vector<std::string>> list_files(const fs::path& root) {
    std::vector<std::string> out;
    std::error_code failed;
    fs::recursive_directory_iterator walk(root, failed);
    for (; !failed && walk != fs::recursive_directory_iterator(); walk.increment(failed)) {
        if (!walk->is_directory(failed) || walk->is_symlink(failed)) {
            out.push_back(walk->path().lexically_relative(root).generic_string());
        }
    }
    if (failed) {
        return fail(errno_error("read " + root.string(), failed.value()));
    }
    std::ranges::sort(out);
    return out;
}

}  // namespace

Result<Bytes> make_zip(std::vector<PackageFile> files) {
    std::ranges::sort(files, {}, &PackageFile::path);
    // Outlives the archive, which writes its end into it when it is freed after an error.
    Bytes out;
    const ArchivePointer zip(archive_write_new());
    if (archive_write_set_format_zip(zip.get()) != ARCHIVE_OK ||
        archive_write_zip_set_compression_store(zip.get()) != ARCHIVE_OK ||
        archive_write_set_options(zip.get(), "zip:hdrcharset=UTF-8") != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(zip.get(), 1) != ARCHIVE_OK ||
        archive_write_open(zip.get(), &out, nullptr, append_output, nullptr) != ARCHIVE_OK) {
        return archive_failed(zip.get());
    }
    std::string last;
    for (const PackageFile& file : files) {
        TRY_VOID(check_path(file.path));
        if (file.path == last) {
            return fail(CommonError::invalid_input, "\"" + file.path + "\" is there twice");
        }
        last = file.path;
        TRY_VOID(add_file(zip.get(), file));
    }
    if (archive_write_close(zip.get()) != ARCHIVE_OK) {
        return archive_failed(zip.get());
    }
    return out;
}

Result<void> run_build(const Project& project) {
    if (project.build.empty()) {
        return {};
    }
    const FolderLock lock(project.folder);
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child < 0) {
        return fail(errno_error("fork"));
    }
    if (child == 0) {
        // Ctrl-C ends us at once, and a signal may be sent to us alone.
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent) {
            _exit(127);
        }
        const bool ready = chdir(project.folder.c_str()) == 0 &&
                           dup2(STDERR_FILENO, STDOUT_FILENO) == STDOUT_FILENO;
        const int nothing = open("/dev/null", O_RDONLY);
        if (ready && nothing >= 0 && dup2(nothing, STDIN_FILENO) == STDIN_FILENO) {
            execl("/bin/sh", "sh", "-c", project.build.c_str(), nullptr);
        }
        _exit(127);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return fail(ClientError::command,
            "the build command of " + project.manifest.name + " (" + project.build + ") " +
                (WIFEXITED(status) ? "ended with status " + std::to_string(WEXITSTATUS(status))
                                   : std::string("was killed")) +
                "\nhelp: run it in " + project.folder.string());
    }
    return {};
}

Result<std::vector<PackageFile>> collect_files(const Project& project) {
    std::error_code failed;
    const fs::path root = fs::canonical(project.folder / project.root, failed);
    const fs::path folder = fs::canonical(project.folder, failed);
    if (failed || root.lexically_relative(folder).string().starts_with("..")) {
        return fail(CommonError::not_found,
            (project.folder / project.root).string() + " is not a folder of the project");
    }
    TRY(const std::vector<std::string> present, list_files(root));
    std::vector<std::string> patterns = project.include;
    if (patterns.empty()) {
        patterns.push_back(project.manifest.entry);
    }
    std::set<std::string> chosen;
    for (const std::string& pattern : patterns) {
        const std::size_t before = chosen.size();
        bool any = false;
        for (const std::string& path : present) {
            if (matches(pattern, path)) {
                chosen.insert(path);
                any = true;
            }
        }
        if (!any && chosen.size() == before) {
            return fail(CommonError::not_found,
                "nothing in " + root.string() + " matches \"" + pattern + "\"");
        }
    }
    std::vector<PackageFile> files;
    std::uint64_t left = kMaxPackageBytes;
    for (const std::string& path : chosen) {
        TRY(PackageFile file, read_package_file(root, path, left));
        file.executable = file.executable || path == project.manifest.entry;
        files.push_back(std::move(file));
    }
    if (!chosen.contains(project.manifest.entry)) {
        return fail(CommonError::not_found, "the package would lack its entry " +
                                                project.manifest.entry +
                                                "\nhelp: name it in \"include\" in decloud.toml");
    }
    return files;
}

namespace {

/// A WebAssembly file whose layer, behind the magic number and the version, is that of components.
bool is_component(BytesView start) {
    constexpr std::size_t kLayer = 6;
    return start.size() > kLayer + 1 && start[kLayer] == 1 && start[kLayer + 1] == 0;
}

}  // namespace

Result<std::string_view> recognise_runtime(BytesView start) {
    constexpr std::size_t kTarMagicAt = 257;
    const std::string_view text = as_text(start);
    if (text.starts_with(std::string_view("\0asm", 4))) {
        return "wasm";
    }
    if (text.starts_with("\x7f"
                         "ELF") ||
        text.starts_with("#!")) {
        return "native";
    }
    const bool is_tar = text.size() > kTarMagicAt && text.substr(kTarMagicAt).starts_with("ustar");
    if (is_tar || text.starts_with("\x1f\x8b") || text.starts_with("\x28\xb5\x2f\xfd")) {
        return "oci";
    }
    return fail(CommonError::invalid_input, "neither WebAssembly, ELF, a script nor an image");
}

Result<void> settle_runtime(Project& project) {
    protocol::FunctionManifest& manifest = project.manifest;
    const bool is_automatic = manifest.runtime == kAutomaticRuntime;
    if (!is_automatic && manifest.egress.empty()) {
        return {};
    }
    constexpr std::size_t kStart = 512;
    const fs::path file = project.folder / project.root / manifest.entry;
    std::ifstream input(file, std::ios::binary);
    std::array<char, kStart> buffer{};
    input.read(buffer.data(), buffer.size());
    const auto count = static_cast<std::size_t>(input.gcount());
    const BytesView start = as_bytes(std::string_view(buffer.data(), count));
    const auto runtime = recognise_runtime(start);
    if (is_automatic && !runtime) {
        return fail_with_help(ClientError::usage,
            "what " + file.lexically_normal().string() +
                " is was not recognised: " + runtime.error().detail(),
            "name its runtime in decloud.toml: wasm, native, server or oci");
    }
    if (is_automatic) {
        manifest.runtime = *runtime;
    }
    const bool is_module = runtime && *runtime == "wasm" && !is_component(start);
    if (manifest.runtime == "wasm" && !manifest.egress.empty() && is_module) {
        return fail_with_help(ClientError::usage,
            manifest.name + " asks for other machines, which a WASI module cannot reach",
            "a wasi:http component, a native program, a server or an image, or no \"egress\" in "
            "decloud.toml");
    }
    return {};
}

Result<Bytes> build_package(const Project& project) {
    TRY_VOID(run_build(project));
    TRY(std::vector<PackageFile> files, collect_files(project));
    return make_zip(std::move(files));
}

}  // namespace decloud::client
