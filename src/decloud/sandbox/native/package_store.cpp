#include "package_store.hpp"

#include "../internal/one_shot.hpp"
#include "../internal/unpack_worker.hpp"

#include <decloud/async/offload.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/base/log.hpp>
#include <decloud/crypto/hash.hpp>

#include <boost/asio/post.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace decloud::sandbox::native {

namespace fs = std::filesystem;
using internal::UniqueFd;

namespace {

constexpr std::chrono::seconds kUnpackTime{60};

/// A cid's text as it is; anything else by its hash.
std::string folder_name(
    const std::string& program_key, const std::string& entry, PackageStore::Form form) {
    const bool plain =
        !program_key.empty() && program_key.size() <= 128 &&
        std::ranges::all_of(program_key, [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        });
    const std::string key = plain ? program_key : to_hex(crypto::sha256(program_key));
    return fmt::format("{}-{}{}", key, to_hex(crypto::sha256(entry)).substr(0, 8),
        form == PackageStore::Form::image ? "-image" : "");
}

Result<void> make_folder(const fs::path& folder) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error || ::chmod(folder.c_str(), 0700) != 0) {
        return fail(errno_error("making " + folder.string(), error ? error.value() : errno));
    }
    return {};
}

}  // namespace

bool PackageStore::contains(
    const std::string& program_key, const std::string& entry, Form form) const {
    std::error_code ignored;
    return fs::is_directory(folder_ / folder_name(program_key, entry, form), ignored);
}

async::Task<Result<PackageStore::Package>> PackageStore::unpack(
    std::string program_key, std::string entry, Bytes zip, Form form) {
    const std::string name = folder_name(program_key, entry, form);
    Package package{.path = folder_ / name, .use = index_.use(name)};
    if (contains(program_key, entry, form)) {
        internal::touch(package.path);
        make_room();
        co_return package;
    }
    if (auto unpacked = co_await unpack_to(package.path, entry, std::move(zip), form); !unpacked) {
        package.use.reset();
        if (!contains(program_key, entry, form)) {
            index_.forget(name);
        }
        co_return fail(unpacked.error());
    }
    const std::uint64_t bytes = co_await async::offload(
        pool_, [path = package.path] { return internal::disk_bytes(path); });
    index_.set_bytes(name, bytes);
    make_room();
    co_return package;
}

void PackageStore::make_room() {
    const auto remove = [this](const std::string& name) {
        // Out of sight at once; the rest may take its time.
        const fs::path gone = folder_ / fmt::format(".old-{}-{}", ::getpid(), ++last_number_);
        if (::rename((folder_ / name).c_str(), gone.c_str()) == 0) {
            log::info("sandbox", "unpacked package {} is removed to make room", name);
            boost::asio::post(pool_, [gone] { internal::remove_tree(gone); });
        }
    };
    internal::make_room(index_, remove, settings_.release_unused);
}

async::Task<Result<void>> PackageStore::unpack_to(
    fs::path path, std::string entry, Bytes zip, Form form) {
    if (zip.empty()) {
        co_return fail(CommonError::not_found, "the package is needed to unpack the program");
    }
    CO_TRY_VOID(make_folder(folder_));
    const fs::path temporary = folder_ / fmt::format(".new-{}-{}", ::getpid(), ++last_number_);
    if (::mkdir(temporary.c_str(), 0700) != 0) {
        co_return fail(errno_error("making " + temporary.string()));
    }
    std::vector<UniqueFd> fds;
    auto memory = internal::make_sealed_memory(zip);
    if (!memory) {
        co_return fail(memory.error());
    }
    fds.push_back(std::move(*memory));
    fds.emplace_back(::open(temporary.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    auto unpacked = co_await internal::run_one_shot(executor_, settings_.worker_executable,
        {form == Form::image ? "image" : "unpack",
            fmt::format("{}", fmt::join(settings_.accept_missing, ","))},
        internal::make_unpack_request(entry, settings_.unpacked_bytes), std::move(fds),
        kUnpackTime);
    // The sandbox's user must be able to enter; who else might is kept out by the folder above.
    if (unpacked && ::chmod(temporary.c_str(), 0555) != 0) {
        unpacked = fail(errno_error("chmod"));
    }
    if (unpacked && ::rename(temporary.c_str(), path.c_str()) != 0 && errno != EEXIST &&
        errno != ENOTEMPTY) {
        unpacked = fail(errno_error("renaming " + temporary.string()));
    }
    // Of a large image this takes long.
    co_await async::offload(pool_, [temporary] {
        internal::remove_tree(temporary);
        return true;
    });
    if (!unpacked) {
        co_return fail(unpacked.error());
    }
    co_return Result<void>{};
}

}  // namespace decloud::sandbox::native
