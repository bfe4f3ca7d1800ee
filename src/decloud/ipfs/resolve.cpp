#include "resolve.hpp"

#include <decloud/content/reader.hpp>
#include <decloud/multiformats/ipld.hpp>

#include <algorithm>

namespace decloud::ipfs {

namespace {

using content::Cid;
using multiformats::Codec;
using multiformats::IpldValue;

bool is_document(const Cid& cid) {
    return cid.codec() == Codec::dag_cbor || cid.codec() == Codec::dag_json;
}

void step_to(Resolved& at, Cid next) {
    at.passed.push_back(std::move(at.cid));
    at.roots.push_back(next);
    at.cid = std::move(next);
}

/// Goes down one document as far as a link; how many segments that took.
Result<std::size_t> cross_document(
    const content::BlockStore& store, Resolved& at, std::span<const std::string> segments) {
    TRY(const Bytes data, content::require_block(store, at.cid));
    auto document = at.cid.codec() == Codec::dag_cbor ? multiformats::decode_dag_cbor(data)
                                                      : multiformats::decode_dag_json(data);
    if (!document) {
        return fail(document.error().within("block " + at.cid.to_string()));
    }
    const IpldValue* value = &*document;
    for (std::size_t used = 0; used < segments.size(); ++used) {
        value = value->find(segments[used]);
        if (value == nullptr) {
            return fail(
                CommonError::not_found, "no \"" + segments[used] + "\" in " + at.cid.to_string());
        }
        if (const auto* link = std::get_if<Cid>(&value->value)) {
            step_to(at, *link);
            return used + 1;
        }
    }
    at.remainder.assign(segments.begin(), segments.end());
    return segments.size();
}

}  // namespace

Result<Resolved> resolve(
    const content::BlockStore& store, const Cid& root, std::span<const std::string> segments) {
    Resolved at{.cid = root, .roots = {root}, .passed = {}, .remainder = {}};
    while (!segments.empty()) {
        std::size_t used = 1;
        if (is_document(at.cid)) {
            TRY(used, cross_document(store, at, segments));
        } else {
            std::vector<Cid> shards;
            TRY(Cid next, content::find_entry(store, at.cid, segments.front(), &shards));
            step_to(at, std::move(next));
            at.passed.insert(at.passed.end(), shards.begin(), shards.end());
        }
        segments = segments.subspan(used);
    }
    return at;
}

}  // namespace decloud::ipfs
