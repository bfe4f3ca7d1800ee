#pragma once

#include <decloud/base/evm_types.hpp>
#include <decloud/identity/names.hpp>

#include <cstddef>
#include <list>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace decloud::registry::internal {

/// What is known by name, and by the node that events name; the longest unused goes first.
template <class Value>
class NameCache {
  public:
    explicit NameCache(std::size_t capacity) : capacity_(capacity) {}

    /// Lives until the next change.
    [[nodiscard]] Value* find(const identity::ProviderName& name) {
        const auto found = by_name_.find(name.full());
        if (found == by_name_.end()) {
            return nullptr;
        }
        entries_.splice(entries_.begin(), entries_, found->second);
        return &found->second->value;
    }

    void put(const identity::ProviderName& name, Value value) {
        remove(name.node());
        if (capacity_ == 0) {
            return;
        }
        if (entries_.size() == capacity_) {
            remove(entries_.back().node);
        }
        entries_.push_front(Entry{name, name.node(), std::move(value)});
        by_name_.emplace(entries_.front().name.full(), entries_.begin());
        by_node_.emplace(entries_.front().node, entries_.begin());
    }

    void remove(Bytes32 node) {
        const auto found = by_node_.find(node);
        if (found == by_node_.end()) {
            return;
        }
        const auto entry = found->second;
        by_name_.erase(entry->name.full());
        by_node_.erase(found);
        entries_.erase(entry);
    }

    void clear() {
        by_name_.clear();
        by_node_.clear();
        entries_.clear();
    }

    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    [[nodiscard]] bool empty() const { return entries_.empty(); }

    template <class Visit>
    void for_each(Visit visit) const {
        for (const Entry& entry : entries_) {
            visit(entry.value);
        }
    }

  private:
    struct Entry {
        identity::ProviderName name;
        Bytes32 node;
        Value value;
    };
    using Position = typename std::list<Entry>::iterator;

    std::size_t capacity_;
    std::list<Entry> entries_;
    /// Views into the entries.
    std::unordered_map<std::string_view, Position> by_name_;
    std::unordered_map<Bytes32, Position> by_node_;
};

}  // namespace decloud::registry::internal
