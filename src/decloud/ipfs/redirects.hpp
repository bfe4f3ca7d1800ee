#pragma once

#include <decloud/base/result.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::ipfs {

/// Largest `_redirects` file, in bytes.
inline constexpr std::size_t kMaxRedirectsFile = std::size_t{64} << 10U;

/// The rules of a website's `_redirects` file (ipfs/specs web-redirects-file.md).
class Redirects {
  public:
    /// Errors: invalid_input naming the line, limit_exceeded.
    [[nodiscard]] static Result<Redirects> parse(std::string_view text);

    /// What a rule says.
    struct Match {
        /// A path, or with a status of 3xx perhaps a URL.
        std::string to;
        /// The same for a Location header: what was filled in is percent-encoded.
        std::string location;
        int status = 301;
    };
    /// The first rule that fits a path ("/a/b", decoded), with its placeholders filled in.
    [[nodiscard]] std::optional<Match> find(std::string_view path) const;

  private:
    struct Rule {
        std::vector<std::string> from;
        std::string to;
        int status = 301;
    };
    std::vector<Rule> rules_;
};

}  // namespace decloud::ipfs
