#pragma once

#include "quota.hpp"

#include <decloud/content/pins.hpp>
#include <decloud/content/private_blocks.hpp>
#include <decloud/payments/channel_directory.hpp>
#include <decloud/payments/ledger.hpp>
#include <decloud/protocol/service.hpp>

#include <boost/asio/thread_pool.hpp>

#include <chrono>
#include <functional>
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
    /// Asked before content is refused for lack of money, which may have come just now.
    payments::ChannelDirectory* channels = nullptr;
    /// Learns what is not served under `/ipfs`.
    content::PrivateBlocks* private_blocks = nullptr;
    /// Learns the first root of what an account has brought: a deployment, or whatever it is.
    std::function<void(const content::Cid&)> on_import{};
};

/// Reserved and unclaimed money on `owner`'s channels that are not closing.
[[nodiscard]] Amount unclaimed_money(const payments::Ledger& ledger, const Address& owner);

/// Why the roots of one import are pinned: they are one deployment's, which `root` names.
[[nodiscard]] std::string deployment_pin(const content::Cid& root);

/// Takes down before they are visible whether blocks that came from somebody are for everybody:
/// only those of a public deployment are, whose spec anybody can read.
[[nodiscard]] Result<void> note_visibility(ContentContext& context,
    const std::vector<content::Cid>& roots,
    const std::unordered_set<content::Cid>& received,
    const content::StagedBlocks& blocks);

/// Why a CAR was not taken: 400 for what is wrong with the file itself, naming the block where it
/// is one; else as `protocol::problem_from`.
[[nodiscard]] protocol::Problem car_problem(const Error& error);

/// Service `content`: `import` takes a CAR and keeps it for the account that signed, within its
/// quota.
[[nodiscard]] std::unique_ptr<protocol::Service> make_content_service(ContentContext& context);

/// Ends pins of owners whose money no longer covers them after the grace, and forgets what has
/// ended.
[[nodiscard]] async::Task<Result<void>> review_pins(ContentContext& context);

/// Awaited between the steps of a collection; false ends it where it is.
using CollectionStep = std::function<async::Task<bool>(const content::GarbageResult&)>;

/// Frees the space of what no pin reaches and is older than `min_age`, in steps between which the
/// pool does other work. `store` is the context's. Error: cancelled by `between`, which may be
/// empty.
[[nodiscard]] async::Task<Result<content::GarbageResult>> collect_garbage(ContentContext& context,
    content::ManagedBlockStore& store,
    std::chrono::seconds min_age = content::GarbageOptions().min_age,
    CollectionStep between = {});

}  // namespace decloud::services
