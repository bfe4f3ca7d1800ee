#include "error.hpp"

#include <string>

namespace decloud {

namespace {

class StoreCategory final : public std::error_category {
  public:
    [[nodiscard]] const char* name() const noexcept override { return "decloud.store"; }

    [[nodiscard]] std::string message(int value) const override {
        switch (static_cast<StoreError>(value)) {
            case StoreError::damaged:
                return "damaged file";
            case StoreError::newer_format:
                return "written by a newer decloud";
            case StoreError::in_use:
                return "in use by another process";
            case StoreError::closed:
                return "closed";
            case StoreError::database:
                return "database error";
        }
        return "unknown error";
    }
};

}  // namespace

std::error_code make_error_code(StoreError code) {
    static const StoreCategory category;
    return {static_cast<int>(code), category};
}

}  // namespace decloud
