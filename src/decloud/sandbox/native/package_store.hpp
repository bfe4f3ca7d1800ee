#pragma once

#include "../internal/cache_index.hpp"
#include "../sandbox.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/result.hpp>

#include <boost/asio/thread_pool.hpp>

#include <filesystem>
#include <string>

namespace decloud::sandbox::native {

/// Unpacked packages on disk, each read-only, whole or not there, within a limit of all their
/// space. Single threaded.
class PackageStore {
  public:
    /// `pool` removes and measures.
    PackageStore(
        async::Executor executor, const SandboxSettings& settings, boost::asio::thread_pool& pool)
        : executor_(std::move(executor)),
          settings_(settings),
          pool_(pool),
          folder_(settings.cache_dir / "packages"),
          index_(settings.unpacked_cache_bytes) {
        index_.scan(folder_);
    }

    /// What is unpacked: the files of a package, or the image that one of them is.
    enum class Form { package, image };
    /// An unpacked package.
    struct Package {
        std::filesystem::path path;
        /// Keeps it on disk.
        internal::CacheUse use;
    };
    /// True if it is on disk. Blocks for one look at the folder.
    [[nodiscard]] bool contains(
        const std::string& program_key, const std::string& entry, Form form = Form::package) const;
    /// Unpacks it in a confined process, unless it is there. Errors: the package's
    /// (invalid_input, limit_exceeded); not_found if it is needed and `zip` is empty.
    [[nodiscard]] async::Task<Result<Package>> unpack(
        std::string program_key, std::string entry, Bytes zip, Form form = Form::package);

  private:
    [[nodiscard]] async::Task<Result<void>> unpack_to(
        std::filesystem::path path, std::string entry, Bytes zip, Form form);
    void make_room();

    async::Executor executor_;
    const SandboxSettings& settings_;
    boost::asio::thread_pool& pool_;
    std::filesystem::path folder_;
    internal::CacheIndex index_;
    std::uint64_t last_number_ = 0;
};

}  // namespace decloud::sandbox::native
