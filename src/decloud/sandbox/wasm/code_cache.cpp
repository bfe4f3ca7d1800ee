#include "code_cache.hpp"

#include "../internal/cache_index.hpp"
#include "../internal/one_shot.hpp"
#include "engine.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/log.hpp>
#include <decloud/base/units.hpp>
#include <decloud/crypto/hash.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

namespace decloud::sandbox::wasm {

using internal::MappedFile;
using internal::UniqueFd;

namespace {

constexpr std::uint64_t kMaximumCode = 512 * kMiB;
constexpr std::size_t kMacBytes = 32;

}  // namespace

Result<void> CodeCache::open() const {
    std::error_code error;
    std::filesystem::create_directories(folder_, error);
    if (error || ::chmod(folder_.c_str(), 0700) != 0) {
        return fail(errno_error("making " + folder_.string(), error ? error.value() : errno));
    }
    return {};
}

std::string CodeCache::name_of(const std::string& program_key, const std::string& entry) {
    static const std::string fingerprint = engine_fingerprint();
    const std::string text = fmt::format("{}\n{}\n{}", fingerprint, program_key, entry);
    return to_hex(crypto::sha256(text));
}

std::filesystem::path CodeCache::path_of(const std::string& name) const {
    return folder_ / file_name(name);
}

std::uint64_t CodeCache::file_bytes(const std::string& name) const {
    return internal::disk_bytes(path_of(name));
}

void CodeCache::touch(const std::string& name) const { internal::touch(path_of(name)); }

bool CodeCache::contains(const std::string& name) const {
    return ::access(path_of(name).c_str(), R_OK) == 0;
}

CodeCache::Mac CodeCache::mac(const std::string& name, BytesView code) const {
    const auto digest = crypto::sha256(code);
    Bytes text = to_bytes("decloud compiled code 1\n" + name + "\n");
    append(text, digest);
    return crypto::hmac_sha256(mac_key_, text);
}

Result<UniqueFd> CodeCache::load(const std::string& name) const {
    const auto path = path_of(name);
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file) {
        return fail(errno_error("opening " + path.string()));
    }
    TRY(const Bytes content, internal::read_file_descriptor(file.get(), kMaximumCode));
    if (content.size() > kMacBytes) {
        const BytesView code = BytesView(content).subspan(kMacBytes);
        TRY(UniqueFd memory, internal::make_sealed_memory(code));
        TRY(const MappedFile sealed, MappedFile::open(memory.get()));
        if (equal_constant_time(BytesView(content).first(kMacBytes), mac(name, sealed.view()))) {
            return memory;
        }
    }
    log::warning(
        "sandbox", "{} is damaged or forged: removed, to be compiled again", path.string());
    ::unlink(path.c_str());
    return fail(CommonError::corrupt, path.string());
}

Result<void> CodeCache::store(const std::string& name, int code) const {
    TRY(const MappedFile content, MappedFile::open(code));
    const auto path = path_of(name);
    const std::string temporary = fmt::format("{}.{}.new", path.string(), ::gettid());
    UniqueFd file(
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) {
        return fail(errno_error("creating " + temporary));
    }
    auto written = internal::write_all(file.get(), mac(name, content.view()));
    if (written) {
        written = internal::write_all(file.get(), content.view());
    }
    if (written && ::rename(temporary.c_str(), path.c_str()) != 0) {
        written = fail(errno_error("renaming " + temporary));
    }
    if (!written) {
        ::unlink(temporary.c_str());
    }
    return written;
}

}  // namespace decloud::sandbox::wasm
