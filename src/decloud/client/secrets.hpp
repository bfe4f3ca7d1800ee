#pragma once

#include <decloud/base/result.hpp>
#include <decloud/protocol/deployment.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::client {

/// The secrets of one function, in a file of their own (0600). Values go into encrypted specs only
/// and are never shown. Blocks on the disk.
class Secrets {
  public:
    /// `folder` is the home's `secrets()`. Error: usage for a name that cannot be a function's.
    [[nodiscard]] static Result<Secrets> load(
        const std::filesystem::path& folder, std::string_view function);

    /// Names without values, in the order of `variables`.
    [[nodiscard]] std::vector<std::string> names() const;
    /// Names and values, for a spec that is encrypted. Live as long as this object.
    [[nodiscard]] const protocol::Variables& variables() const { return variables_; }
    /// Error: usage for a name that no environment variable can have or a value over 64 KiB or
    /// with NUL.
    [[nodiscard]] Result<void> set(std::string_view key, std::string_view value);
    /// False if there was none.
    [[nodiscard]] bool remove(std::string_view key);
    /// Replaces the file (0600), durably. Errors: as `store::write_file_atomically`.
    [[nodiscard]] Result<void> save() const;

  private:
    explicit Secrets(std::filesystem::path file) : file_(std::move(file)) {}
    std::filesystem::path file_;
    protocol::Variables variables_;
};

}  // namespace decloud::client
