#include "ipld.hpp"

#include <charconv>
#include <ranges>

namespace decloud::multiformats {

namespace {

// Values are as deep as the decoders allow.
// NOLINTNEXTLINE(misc-no-recursion)
void collect(const IpldValue& value, std::vector<Cid>& out) {
    if (const auto* link = std::get_if<Cid>(&value.value)) {
        out.push_back(*link);
    } else if (const auto* list = std::get_if<IpldValue::List>(&value.value)) {
        for (const IpldValue& each : *list) {
            collect(each, out);
        }
    } else if (const auto* map = std::get_if<IpldValue::Map>(&value.value)) {
        for (const auto& [key, each] : *map) {
            collect(each, out);
        }
    }
}

}  // namespace

const IpldValue* IpldValue::find(std::string_view key) const {
    if (const auto* map = std::get_if<Map>(&value)) {
        const auto found = std::ranges::find(*map, key, &Map::value_type::first);
        return found == map->end() ? nullptr : &found->second;
    }
    if (const auto* list = std::get_if<List>(&value)) {
        std::size_t index = 0;
        const auto read = std::from_chars(key.begin(), key.end(), index);
        const bool is_index =
            read.ec == std::errc() && read.ptr == key.end() && index < list->size();
        return is_index ? &(*list)[index] : nullptr;
    }
    return nullptr;
}

std::vector<Cid> ipld_links(const IpldValue& value) {
    std::vector<Cid> out;
    collect(value, out);
    return out;
}

}  // namespace decloud::multiformats
