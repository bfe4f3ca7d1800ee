#include "error.hpp"

#include <string>

namespace decloud {

namespace {

class ChainCategory final : public std::error_category {
  public:
    [[nodiscard]] const char* name() const noexcept override { return "decloud.chain"; }

    [[nodiscard]] std::string message(int value) const override {
        switch (static_cast<ChainError>(value)) {
            case ChainError::unreachable:
                return "the chain cannot be reached";
            case ChainError::timeout:
                return "the chain did not answer in time";
            case ChainError::not_ready:
                return "the chain is not ready";
            case ChainError::inconsistent:
                return "the chain's answers contradict each other";
            case ChainError::wrong_chain:
                return "wrong chain";
            case ChainError::reverted:
                return "the contract refused";
            case ChainError::nonce_too_low:
                return "the nonce is used already";
            case ChainError::underpriced:
                return "the gas price is too low";
            case ChainError::insufficient_funds:
                return "not enough of the chain's own coin for gas";
            case ChainError::already_known:
                return "the transaction is known already";
            case ChainError::replaced:
                return "another transaction took the nonce";
            case ChainError::not_found:
                return "not found on the chain";
            case ChainError::invalid_response:
                return "the chain's answer makes no sense";
            case ChainError::rpc:
                return "the chain refused the request";
            case ChainError::process:
                return "the development chain failed";
        }
        return "unknown error";
    }
};

}  // namespace

std::error_code make_error_code(ChainError code) {
    static const ChainCategory category;
    return {static_cast<int>(code), category};
}

}  // namespace decloud
