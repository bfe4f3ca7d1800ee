#include "kubo_pins.hpp"

#include "internal/index.hpp"

#include <decloud/base/log.hpp>
#include <decloud/content/car_transfer.hpp>

#include <utility>

namespace decloud::kubo {

namespace {

using content::Pin;
using internal::Index;

/// Of blocks that are copied into the embedded store with one sync.
constexpr std::size_t kBytesAtOnce = std::size_t{8} << 20U;

constexpr std::size_t kRootsAtOnce = 256;

bool is_inline(const Cid& cid) { return cid.hash().code() == multiformats::HashCode::identity; }

}  // namespace

class KuboPins::RootLock {
  public:
    RootLock(KuboPins& pins, const Cid& root) : pins_(pins), root_(root.to_v1()) {
        std::unique_lock lock(pins_.mutex_);
        pins_.unlocked_.wait(lock, [this] { return !pins_.locked_.contains(root_); });
        pins_.locked_.insert(root_);
    }
    ~RootLock() {
        const std::lock_guard lock(pins_.mutex_);
        pins_.locked_.erase(root_);
        pins_.unlocked_.notify_all();
    }
    RootLock(const RootLock&) = delete;
    RootLock& operator=(const RootLock&) = delete;

  private:
    KuboPins& pins_;
    Cid root_;
};

Result<void> KuboPins::pin(const Pin& pin) {
    return add(pin, [&] { return pins_.pin(pin); });
}

Result<void> KuboPins::pin_within(const Pin& pin, std::uint64_t max_owner_bytes) {
    return add(pin, [&] { return pins_.pin_within(pin, max_owner_bytes); });
}

Result<void> KuboPins::add(const Pin& pin, const std::function<Result<void>()>& record) {
    Result<void> added;
    {
        const RootLock lock(*this, pin.root);
        TRY_VOID(keep(pin.root));
        added = record();
    }
    if (!added) {
        try_release(pin.root);
    }
    return added;
}

Result<void> KuboPins::keep(const Cid& root) {
    if (is_inline(root)) {
        return {};
    }
    TRY(const bool in_kubo, index_.has(root.hash()));
    if (in_kubo) {
        TRY(const bool kept, keep_in_kubo(root));
        if (kept) {
            if (listener_) {
                listener_(root);
            }
            return {};
        }
    }
    return keep_embedded(root);
}

Result<bool> KuboPins::keep_in_kubo(const Cid& root) {
    TRY(const auto known, index_.pin_of(root));
    TRY(const bool has_pin, api_.is_pinned(root));
    if (has_pin) {
        if (!known) {
            TRY_VOID(index_.add_pin(root, Index::Holder::theirs));
        }
        return true;
    }
    const auto whole = api_.holds_tree(root);
    if (!whole && whole.error() == make_error_code(CommonError::io)) {
        // A codec that it does not know, say: then it could not pin it either.
        log::warning("kubo", "{} is kept by the embedded store: {}", root.to_string(),
            whole.error().message());
        return false;
    }
    if (!whole || !*whole) {
        return whole;
    }
    // Taken down first, so that a pin is never left behind.
    TRY_VOID(index_.add_pin(root, Index::Holder::ours));
    TRY_VOID(api_.pin(root));
    return true;
}

Result<void> KuboPins::keep_embedded(const Cid& root) {
    std::vector<Cid> pending{root};
    std::unordered_set<Cid> seen;
    std::vector<Block> batch;
    std::size_t bytes = 0;
    while (!pending.empty()) {
        const Cid cid = std::move(pending.back());
        pending.pop_back();
        if (!seen.insert(cid).second) {
            continue;
        }
        TRY(const bool here, embedded_.has(cid));
        if (here && cid.codec() == multiformats::Codec::raw) {
            continue;
        }
        TRY(Bytes data, content::require_block(blocks_, cid));
        // A codec without links that are known here holds only itself.
        if (auto links = content::block_links(cid, data)) {
            pending.insert(pending.end(), links->begin(), links->end());
        }
        if (!here) {
            bytes += data.size();
            batch.push_back({.cid = cid, .data = std::move(data)});
        }
        if (bytes >= kBytesAtOnce) {
            TRY_VOID(embedded_.put_all(std::exchange(batch, {})));
            bytes = 0;
        }
    }
    return batch.empty() ? Result<void>{} : embedded_.put_all(batch);
}

Result<void> KuboPins::release(const Cid& root) {
    const RootLock lock(*this, root);
    TRY(const auto holder, index_.pin_of(root));
    TRY(const bool needed, pins_.is_pinned(root));
    if (!holder || needed) {
        return {};
    }
    if (*holder == Index::Holder::ours) {
        TRY_VOID(api_.unpin(root));
    }
    return index_.remove_pin(root);
}

void KuboPins::try_release(const Cid& root) {
    if (const auto released = release(root); !released) {
        log::warning("kubo", "{} stays pinned in Kubo for now: {}", root.to_string(),
            released.error().message());
        unreleased_ = true;
    }
}

Result<std::uint64_t> KuboPins::unpin(
    const Cid& root, std::string_view owner, std::string_view reason) {
    TRY(const std::uint64_t removed, pins_.unpin(root, owner, reason));
    try_release(root);
    return removed;
}

Result<std::uint64_t> KuboPins::unpin_reason(std::string_view owner, std::string_view reason) {
    TRY(const std::vector<Pin> before, pins_.list_owner(owner));
    TRY(const std::uint64_t removed, pins_.unpin_reason(owner, reason));
    for (const Pin& pin : before) {
        if (pin.reason == reason) {
            try_release(pin.root);
        }
    }
    return removed;
}

Result<std::vector<Pin>> KuboPins::remove_expired(UnixSeconds now) {
    TRY(std::vector<Pin> removed, pins_.remove_expired(now));
    for (const Pin& pin : removed) {
        try_release(pin.root);
    }
    return removed;
}

Result<void> KuboPins::restore(const Cid& root) {
    const RootLock lock(*this, root);
    TRY(const auto holder, index_.pin_of(root));
    if (!holder) {
        return {};
    }
    TRY(const bool has_pin, api_.is_pinned(root));
    if (has_pin) {
        return {};
    }
    TRY(const bool whole, api_.holds_tree(root));
    if (!whole) {
        log::error("kubo", "Kubo no longer has all of {}, which is pinned: bring it again",
            root.to_string());
        return {};
    }
    TRY_VOID(index_.add_pin(root, Index::Holder::ours));
    TRY_VOID(api_.pin(root));
    log::warning("kubo", "Kubo had lost its pin of {}, which is pinned again", root.to_string());
    return {};
}

Result<void> KuboPins::for_each_root(Result<void> (KuboPins::*work)(const Cid&)) {
    std::optional<Cid> after;
    for (;;) {
        TRY(const std::vector<Cid> roots, index_.pins(after, kRootsAtOnce));
        if (roots.empty()) {
            return {};
        }
        for (const Cid& root : roots) {
            TRY_VOID((this->*work)(root));
        }
        after = roots.back();
    }
}

Result<void> KuboPins::release_ended() { return for_each_root(&KuboPins::release); }

Result<void> KuboPins::restore_lost() { return for_each_root(&KuboPins::restore); }

Result<std::vector<Cid>> KuboPins::roots_in_kubo(
    const std::optional<Cid>& after, std::size_t count) const {
    return index_.pins(after, count);
}

}  // namespace decloud::kubo
