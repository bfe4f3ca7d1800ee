#pragma once

#include "../internal/cache_index.hpp"
#include "../runtime.hpp"
#include "protocol.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace decloud::sandbox::native {

/// A program that the launcher can start, of any of the runtimes that use it.
class ProgramArtifact final : public Artifact {
  public:
    /// `owner` is its isolation key. `own` is the program's own environment, below the
    /// deployment's. `use` keeps it on disk.
    ProgramArtifact(std::string program_key,
        std::string owner,
        Manifest manifest,
        ProgramStart start,
        Environment own,
        internal::CacheUse use)
        : Artifact(manifest.runtime, std::move(program_key)),
          owner_(std::move(owner)),
          manifest_(std::move(manifest)),
          start_(std::move(start)),
          own_(std::move(own)),
          use_(std::move(use)) {}

    [[nodiscard]] const std::string& owner() const { return owner_; }
    [[nodiscard]] const Manifest& manifest() const { return manifest_; }
    [[nodiscard]] const ProgramStart& start() const { return start_; }
    /// `environment`, and after it what the program's own has besides.
    [[nodiscard]] Environment with_own(Environment environment) const {
        for (const auto& variable : own_) {
            if (std::ranges::find(environment, variable.first, &Environment::value_type::first) ==
                environment.end()) {
                environment.push_back(variable);
            }
        }
        return environment;
    }

  private:
    std::string owner_;
    Manifest manifest_;
    ProgramStart start_;
    Environment own_;
    internal::CacheUse use_;
};

/// The start of a program of a package: by its path, with that as its only argument.
[[nodiscard]] inline ProgramStart start_of_package(
    const std::filesystem::path& folder, const std::string& entry) {
    return {.root = std::filesystem::absolute(folder).string(), .arguments = {"/" + entry}};
}

}  // namespace decloud::sandbox::native
