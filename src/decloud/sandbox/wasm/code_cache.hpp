#pragma once

#include "../internal/fd.hpp"

#include <decloud/base/result.hpp>

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>

namespace decloud::sandbox::wasm {

/// Compiled code on disk. Running it unchecked would be running whatever anyone wrote there, so
/// each file carries an HMAC over its name and content. Thread safe; its functions block.
class CodeCache {
  public:
    /// `mac_key` is secret and kept between starts: files made under another one are not used.
    CodeCache(std::filesystem::path folder, std::array<std::uint8_t, 32> mac_key)
        : folder_(std::move(folder)), mac_key_(mac_key) {}

    /// Makes the folder. Errors: from errno.
    [[nodiscard]] Result<void> open() const;
    /// The name under which the code of one entry of one program is kept, for this engine.
    [[nodiscard]] static std::string name_of(
        const std::string& program_key, const std::string& entry);
    /// Name of that code's file in the folder, and size of it; 0 if there is none.
    [[nodiscard]] static std::string file_name(const std::string& name) { return name + ".code"; }
    [[nodiscard]] std::uint64_t file_bytes(const std::string& name) const;
    /// Makes it the last used.
    void touch(const std::string& name) const;
    /// As given.
    [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
    /// True if there is a file; `load` says whether it can be used.
    [[nodiscard]] bool contains(const std::string& name) const;
    /// The code in sealed memory, verified there. A file that is not as it was written is removed.
    /// Errors: not_found, corrupt.
    [[nodiscard]] Result<internal::UniqueFd> load(const std::string& name) const;
    /// Keeps the content of `code`, whole or not at all.
    [[nodiscard]] Result<void> store(const std::string& name, int code) const;

  private:
    using Mac = std::array<std::uint8_t, 32>;
    [[nodiscard]] Mac mac(const std::string& name, BytesView code) const;
    [[nodiscard]] std::filesystem::path path_of(const std::string& name) const;

    std::filesystem::path folder_;
    std::array<std::uint8_t, 32> mac_key_;
};

}  // namespace decloud::sandbox::wasm
