#pragma once

#include <decloud/async/task.hpp>
#include <decloud/ipfs/public_blocks.hpp>
#include <decloud/kubo/announcer.hpp>
#include <decloud/kubo/engine.hpp>

#include <boost/asio/thread_pool.hpp>

#include <functional>
#include <memory>
#include <mutex>

namespace decloud::node {

/// What a node with a Kubo engine does besides its requests: has Kubo tell the network of what is
/// pinned there and shown to anybody, ends pins whose end Kubo did not hear of, and makes those
/// again that it has lost. What fails is in the log, once. Single threaded.
class KuboUpkeep {
  public:
    enum class Announces : bool { no, yes };

    /// All but the last outlive this. `visibility` makes the rule of the moment.
    KuboUpkeep(kubo::Engine& engine,
        boost::asio::thread_pool& pool,
        std::function<ipfs::VisibilityRule()> visibility,
        Announces announces);

    /// Until it is cancelled.
    [[nodiscard]] async::Task<void> run();
    /// Ends what Kubo is asked, by whomever. Blocks for a moment.
    void stop();

  private:
    [[nodiscard]] Result<bool> announce(const content::Cid& root);

    kubo::Engine& engine_;
    boost::asio::thread_pool& pool_;
    std::function<ipfs::VisibilityRule()> visibility_;
    std::mutex mutex_;
    /// For the announcer's thread.
    ipfs::VisibilityRule rule_;
    std::unique_ptr<kubo::Announcer> announcer_;
};

}  // namespace decloud::node
