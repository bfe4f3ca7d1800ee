#include "error.hpp"

namespace decloud::registry {

namespace {

class RegistryCategory final : public std::error_category {
  public:
    const char* name() const noexcept override { return "decloud.registry"; }
    std::string message(int code) const override {
        switch (static_cast<RegistryError>(code)) {
            case RegistryError::unknown_provider:
                return "no such provider";
            case RegistryError::unusable_record:
                return "the provider's record in the registry cannot be used";
            case RegistryError::unavailable:
                return "the registry cannot be asked now";
        }
        return "unknown registry error";
    }
};

}  // namespace

std::error_code make_error_code(RegistryError code) {
    static const RegistryCategory category;
    return {static_cast<int>(code), category};
}

}  // namespace decloud::registry
