#include "dag_pb.hpp"

#include "internal/protobuf.hpp"
#include "varint.hpp"

namespace decloud::multiformats {

namespace {

using internal::append_bytes_field;
using internal::append_varint_field;
using internal::ProtobufField;
using internal::ProtobufReader;
using Kind = ProtobufField::Kind;

constexpr std::uint32_t kNodeData = 1;
constexpr std::uint32_t kNodeLinks = 2;
constexpr std::uint32_t kLinkHash = 1;
constexpr std::uint32_t kLinkName = 2;
constexpr std::uint32_t kLinkTsize = 3;

Error bad(const char* detail) {
    return {make_error_code(CommonError::invalid_input), std::string("dag-pb: ") + detail};
}

Result<PbLink> decode_link(BytesView input, const PbLimits& limits) {
    std::optional<Cid> cid;
    std::optional<std::string> name;
    std::optional<std::uint64_t> tsize;
    std::uint64_t last = 0;
    ProtobufReader reader(input);
    while (!reader.done()) {
        TRY(const ProtobufField field, reader.next());
        if (field.number <= last) {
            return fail(bad("a link with repeated or misordered fields"));
        }
        last = field.number;
        if (field.is(kLinkHash, Kind::bytes)) {
            TRY(cid, Cid::from_bytes(field.bytes));
        } else if (field.is(kLinkName, Kind::bytes)) {
            if (field.bytes.size() > limits.max_name) {
                return fail(CommonError::limit_exceeded, "dag-pb: a link's name is too long");
            }
            name = std::string(as_text(field.bytes));
        } else if (field.is(kLinkTsize, Kind::varint)) {
            tsize = field.value;
        } else {
            return fail(bad("a link with an unknown field"));
        }
    }
    if (!cid) {
        return fail(bad("a link without a cid"));
    }
    return PbLink{.cid = std::move(*cid), .name = std::move(name), .tsize = tsize};
}

Bytes encode_link(const PbLink& link) {
    Bytes out;
    append_bytes_field(out, kLinkHash, link.cid.to_bytes());
    if (link.name) {
        append_bytes_field(out, kLinkName, as_bytes(*link.name));
    }
    if (link.tsize) {
        append_varint_field(out, kLinkTsize, *link.tsize);
    }
    return out;
}

}  // namespace

Bytes encode_pb(const PbNode& node) {
    Bytes out;
    for (const PbLink& link : node.links) {
        append_bytes_field(out, kNodeLinks, encode_link(link));
    }
    if (node.data) {
        append_bytes_field(out, kNodeData, *node.data);
    }
    return out;
}

Result<PbNode> decode_pb(BytesView input, PbLimits limits) {
    if (input.size() > limits.max_bytes) {
        return fail(CommonError::limit_exceeded, "dag-pb: a node that is too large");
    }
    PbNode node;
    bool links_ended = false;
    ProtobufReader reader(input);
    while (!reader.done()) {
        TRY(const ProtobufField field, reader.next());
        if (field.is(kNodeLinks, Kind::bytes)) {
            if (links_ended) {
                return fail(bad("links in two runs"));
            }
            if (node.links.size() == limits.max_links) {
                return fail(CommonError::limit_exceeded, "dag-pb: too many links");
            }
            TRY(PbLink link, decode_link(field.bytes, limits));
            node.links.push_back(std::move(link));
        } else if (field.is(kNodeData, Kind::bytes)) {
            if (node.data) {
                return fail(bad("data twice"));
            }
            node.data = to_bytes(field.bytes);
            links_ended = !node.links.empty();
        } else {
            return fail(bad("an unknown field"));
        }
    }
    return node;
}

}  // namespace decloud::multiformats
