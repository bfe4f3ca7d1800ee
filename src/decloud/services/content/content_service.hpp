#pragma once

#include "quota.hpp"

#include <decloud/content/pins.hpp>
#include <decloud/payments/escrow_channels.hpp>
#include <decloud/payments/ledger.hpp>
#include <decloud/protocol/service.hpp>

#include <boost/asio/thread_pool.hpp>

#include <memory>

namespace decloud::services {

/// What the service works on. All of it outlives the service; the store and the pins are used on
/// `pool`.
struct ContentContext {
    content::BlockStore& blocks;
    content::Pins& pins;
    const payments::Ledger& ledger;
    const Clock& clock;
    boost::asio::thread_pool& pool;
    QuotaRules quota;
};

/// Reserved and unclaimed money on `owner`'s channels that are not closing.
[[nodiscard]] Amount unclaimed_money(const payments::Ledger& ledger, const Address& owner);

/// Service `content`: `import` takes a CAR and keeps it for the account that signed, within its
/// quota.
[[nodiscard]] std::unique_ptr<protocol::Service> make_content_service(ContentContext& context);

/// Ends pins of owners whose money no longer covers them after the grace, and forgets what has
/// ended.
[[nodiscard]] async::Task<Result<void>> review_pins(ContentContext& context);

}  // namespace decloud::services
