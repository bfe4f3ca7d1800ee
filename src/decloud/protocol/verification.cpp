#include "verification.hpp"

#include <decloud/multiformats/ipld.hpp>

#include <utility>

namespace decloud::protocol {

namespace {

using multiformats::IpldValue;

IpldValue to_value(const VerifiedRequest& request) {
    return {IpldValue::Map{{"method", {request.method}}, {"path", {request.path}},
        {"query", {request.query}}, {"type", {request.type}}, {"body", {request.body}}}};
}

IpldValue to_value(const VerifiedResponse& response) {
    return {IpldValue::Map{{"status", {static_cast<std::uint64_t>(response.status)}},
        {"type", {response.type}}, {"body", {response.body}}}};
}

template <class Element>
Bytes encode(std::span<const Element> elements) {
    IpldValue::List list;
    list.reserve(elements.size());
    for (const Element& element : elements) {
        list.push_back(to_value(element));
    }
    return multiformats::encode_dag_cbor({std::move(list)});
}

}  // namespace

Bytes encode_requests(std::span<const VerifiedRequest> requests) { return encode(requests); }

Bytes encode_responses(std::span<const VerifiedResponse> responses) { return encode(responses); }

}  // namespace decloud::protocol
