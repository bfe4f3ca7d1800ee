#pragma once

#include "../internal/cache_index.hpp"
#include "../internal/fd.hpp"
#include "../runtime.hpp"
#include "protocol.hpp"

#include <memory>
#include <string>

namespace decloud::sandbox::wasm {

/// A compiled program: the name of its code in the cache.
class WasmArtifact final : public Artifact {
  public:
    /// `use` keeps the code in the cache. `fresh_code` may be empty, `egress` null.
    WasmArtifact(std::string program_key,
        std::string isolation_key,
        std::string code_name,
        ProgramKind kind,
        internal::UniqueFd fresh_code,
        internal::CacheUse use,
        std::shared_ptr<Egress> egress)
        : Artifact(kind == ProgramKind::verifier ? "verifier" : "wasm", std::move(program_key)),
          isolation_key_(std::move(isolation_key)),
          code_name_(std::move(code_name)),
          kind_(kind),
          fresh_code_(std::move(fresh_code)),
          use_(std::move(use)),
          egress_(std::move(egress)) {}

    /// Whose worker may run it.
    [[nodiscard]] const std::string& isolation_key() const { return isolation_key_; }
    /// `CodeCache::name_of` it.
    [[nodiscard]] const std::string& code_name() const { return code_name_; }
    /// A component takes HTTP requests, the others do not.
    [[nodiscard]] ProgramKind kind() const { return kind_; }
    /// As the manifest's; of components only.
    [[nodiscard]] const std::shared_ptr<Egress>& egress() const { return egress_; }
    [[nodiscard]] bool answers_with_head() const override {
        return kind_ == ProgramKind::component;
    }
    /// The verified code that `prepare` had in hand, once; afterwards the cache has it.
    [[nodiscard]] internal::UniqueFd take_fresh_code() const { return std::move(fresh_code_); }

  private:
    std::string isolation_key_;
    std::string code_name_;
    ProgramKind kind_;
    mutable internal::UniqueFd fresh_code_;
    internal::CacheUse use_;
    std::shared_ptr<Egress> egress_;
};

}  // namespace decloud::sandbox::wasm
