#pragma once

#include <decloud/protocol/payment_method.hpp>

#include <map>
#include <memory>
#include <string>

namespace decloud::pipeline::testing {

/// A book of prepaid amounts by name, in one asset. The payload of a payment is `name/nonce`.
struct VoucherBook {
    AssetId asset;
    std::map<std::string, Amount> left;
    std::map<std::string, std::string> used;  ///< nonce → receipt
    int held = 0;
    int served = 0;
    int intervals = 0;        ///< of streams, charged on their own
    bool binds_body = false;  ///< payments are for one body; those named "forged" are not valid
    bool disk_full = false;   ///< nothing can be committed
    bool pays_late = false;   ///< `served` fails, and the payment counts all the same
};

/// `book` outlives the method.
[[nodiscard]] std::unique_ptr<protocol::PaymentMethod> make_voucher_book_method(VoucherBook& book);

}  // namespace decloud::pipeline::testing
