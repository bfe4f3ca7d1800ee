#include "gateway_client.hpp"

#include <decloud/content/block_store.hpp>

#include <fmt/format.h>

#include <utility>

namespace decloud::ipfs::internal {

namespace {

constexpr int kMostRedirects = 3;
constexpr int kGone = 410;

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

Result<net::Url> follow(const net::Url& from, std::string_view location) {
    net::Url to = from;
    if (location.starts_with('/') && !location.starts_with("//")) {
        to.target = location.substr(0, location.find('#'));
        return to;
    }
    TRY(to, net::parse_url(location));
    const bool same_host = to.scheme == from.scheme && to.host == from.host && to.port == from.port;
    if (!same_host && to.scheme != net::Scheme::https) {
        return fail(CommonError::permission_denied,
            fmt::format("it redirects to {:?}", std::string(location.substr(0, 200))));
    }
    return to;
}

}  // namespace

async::Task<Result<net::http::ClientResponse>> get_following(
    net::http::Client& client, net::Url url, std::string accept) {
    for (int hop = 0; hop <= kMostRedirects; ++hop) {
        net::http::ClientRequest request;
        request.headers.set("Accept", accept);
        CO_TRY(auto response, co_await client.request(url, std::move(request)));
        if (!is_redirect(response.status())) {
            co_return std::move(response);
        }
        CO_TRY(url, follow(url, response.head().headers.find("Location").value_or("")));
    }
    co_return fail(CommonError::unavailable, "it redirects too often");
}

net::Url below(const net::Url& gateway, std::string_view rest) {
    net::Url out = gateway;
    out.target = gateway.target.substr(0, gateway.target.find('?'));
    while (out.target.ends_with('/')) {
        out.target.pop_back();
    }
    out.target += rest;
    return out;
}

async::Task<Result<std::optional<Bytes>>> get_block(
    net::http::Client& client, net::Url gateway, multiformats::Cid cid) {
    CO_TRY(auto response, co_await get_following(client,
                              below(gateway, fmt::format("/ipfs/{}?format=raw", cid.to_string())),
                              "application/vnd.ipld.raw"));
    if (response.status() == 404 || response.status() == kGone) {
        co_return std::nullopt;
    }
    if (response.status() != 200) {
        co_return fail(CommonError::unavailable, fmt::format("it answered {}", response.status()));
    }
    CO_TRY(Bytes data, co_await response.read_all(content::kMaxBlock));
    CO_TRY_VOID(cid.verify(data));
    co_return std::optional(std::move(data));
}

}  // namespace decloud::ipfs::internal
