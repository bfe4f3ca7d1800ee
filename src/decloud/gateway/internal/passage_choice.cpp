#include "named_provider.hpp"
#include "passage.hpp"
#include "refusals.hpp"

#include <decloud/base/log.hpp>
#include <decloud/net/error.hpp>
#include <decloud/protocol/not_here.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

// How a request for a cid, or for an alias of one, finds its provider.

namespace decloud::gateway::internal {

namespace {

using net::NetError;
using net::http::ClientResponse;
using protocol::Checked;
using protocol::Status;

constexpr std::size_t kMaxAttempts = 3;

/// RFC 9110 §9.2.2.
bool is_idempotent(std::string_view method) {
    static constexpr std::array<std::string_view, 6> kMethods{
        "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
    return std::ranges::find(kMethods, method) != kMethods.end();
}

bool was_never_sent(const Error& error) {
    return error == make_error_code(NetError::connect_failed) ||
           error == make_error_code(NetError::name_not_found) ||
           error == make_error_code(NetError::tls_failed) ||
           error == make_error_code(NetError::address_forbidden);
}

/// The node's own refusal: a program's answer says "ok".
bool is_refusal(const ClientResponse& response) {
    const auto status = response.head().headers.find("OpenCloud-Status");
    return status && *status != "ok";
}

/// The deployment does not run there, so nothing has. Another refusal is about the caller, who
/// would get it anywhere.
bool is_not_there(const ClientResponse& response) {
    const int status = response.status();
    return is_refusal(response) &&
           (status == 404 || status == 410 ||
               (status == 403 && response.head().headers.contains(protocol::kNotHereHeader)));
}

/// Nothing was charged: for a node's own 503 nothing ever is.
bool is_not_ready(const ClientResponse& response) {
    return is_refusal(response) && response.status() == 503;
}

std::unexpected<protocol::Problem> no_cids() {
    return protocol::refuse(
        404, Status::bad_request, "this gateway chooses no providers; name one");
}

}  // namespace

async::Task<Passage::Outcome> Passage::serve_cid(CidRoute route) {
    if (proxy_.fleet() == nullptr) {
        co_return no_cids();
    }
    if (auto admitted = admit({}); !admitted) {
        co_return std::unexpected(std::move(admitted.error()));
    }
    const auto preferences = read_preferences(request().headers);
    if (!preferences) {
        co_return std::unexpected(preferences.error());
    }
    const auto named = named_provider(request().headers);
    if (!named) {
        co_return std::unexpected(named.error());
    }
    auto entered = enter(proxy_.limiter().enter_deployment(target_, {}));
    if (const std::optional<Address>& provider = *named; entered && provider) {
        entered = check_payer(*provider);
    }
    if (!entered) {
        co_return entered;
    }
    auto offers = co_await find_offers(route.cid, *named);
    if (!offers) {
        co_return std::unexpected(std::move(offers.error()));
    }
    // Whom the request is bound to has been chosen already.
    if (!*named) {
        std::erase_if(*offers, [&](const Offer& offer) {
            return !preferences->allow(proxy_.fleet()->candidate(offer));
        });
    }
    if (offers->empty()) {
        co_return protocol::refuse(404, Status::bad_request,
            fmt::format("no provider that this gateway knows runs {} as you prefer", route.cid));
    }
    if (alias_prefix_.empty()) {
        shared_prefix_ = std::move(route.prefix);
    }
    co_return co_await forward_to_one_of(std::move(route.cid), std::move(*offers), preferences->by);
}

async::Task<Passage::Outcome> Passage::serve_alias(AliasRoute route) {
    const auto& find = proxy_.settings().alias;
    const auto cid = find ? find(route.alias) : std::nullopt;
    if (!cid) {
        co_return protocol::refuse(404, Status::bad_request,
            fmt::format("nobody has given the alias {} to a deployment here", route.alias),
            "decloud alias set ALIAS CID");
    }
    if (!target_.starts_with('/')) {
        co_return protocol::refuse(404, Status::bad_request, "an alias has paths only");
    }
    if (is_bound(request().headers)) {
        auto misdirected = protocol::refuse(421, Status::bad_request,
            "what is paid or signed by its caller is sent to the content id, which the payment or "
            "signature binds");
        misdirected.error().headers.emplace_back("Content-Location", "/" + *cid + target_);
        co_return misdirected;
    }
    alias_prefix_ = "/" + *cid;
    target_ = alias_prefix_ + target_;
    co_return co_await serve_cid({.cid = *cid, .prefix = {}});
}

async::Task<Checked<std::vector<Offer>>> Passage::find_offers(
    std::string cid, std::optional<Address> named) {
    Offers& known = proxy_.fleet()->offers();
    std::vector<Offer> out;
    if (named) {
        if (auto provider = known.find_provider(*named)) {
            out.push_back({.provider = std::move(provider), .price = 0});
        } else {
            co_return protocol::refuse(404, Status::bad_request,
                fmt::format("{}, for whom this request is, is no provider that this gateway knows",
                    to_string(*named)));
        }
    } else {
        auto found = co_await known.find(cid);
        if (!found) {
            co_return std::unexpected(choice_problem(found.error()));
        }
        out = std::move(*found);
    }
    if (const auto& bar = proxy_.settings().bar) {
        std::erase_if(
            out, [&](const Offer& offer) { return !bar(target_, offer.provider->name.full()); });
    }
    if (out.empty()) {
        co_return protocol::refuse(404, Status::bad_request,
            fmt::format("no provider that this gateway knows runs {}", cid),
            "decloud deploy --provider NAME sends it to one");
    }
    co_return out;
}

bool Passage::may_try_another(const Result<ClientResponse>& response) const {
    const bool untouched = !body_ || body_->is_untouched();
    if (!response) {
        // What was sent may have run and been charged, even if no answer came.
        return untouched && was_never_sent(response.error());
    }
    if (is_not_there(*response)) {
        return untouched;
    }
    return is_not_ready(*response) && !body_ && !upgrade_ && is_idempotent(request().method);
}

void Passage::note(const Offer& offer,
    const Result<ClientResponse>& response,
    std::chrono::steady_clock::time_point asked) {
    Balancer& balancer = proxy_.fleet()->balancer();
    const std::string& name = offer.provider->name.full();
    const auto now = std::chrono::steady_clock::now();
    if (!response) {
        if (response.error() != make_error_code(NetError::body_source_failed)) {
            balancer.failed(name, was_never_sent(response.error()), now);
        }
    } else if (is_not_ready(*response)) {
        balancer.failed(name, false, now);
    } else {
        balancer.succeeded(name, now - asked, now);
    }
}

async::Task<Passage::Outcome> Passage::forward_to_one_of(
    std::string cid, std::vector<Offer> offers, Preference preference) {
    Fleet& fleet = *proxy_.fleet();
    const auto request = make_request();
    if (auto begun = co_await begin_body(); !begun) {
        co_return begun;
    }
    fleet.budget().request();
    for (std::size_t attempt = 1;; ++attempt) {
        std::vector<Candidate> candidates;
        candidates.reserve(offers.size());
        for (const Offer& offer : offers) {
            candidates.push_back(fleet.candidate(offer));
        }
        const std::size_t index =
            fleet.balancer().choose(candidates, preference, std::chrono::steady_clock::now());
        const Offer offer = std::move(offers[index]);
        offers.erase(offers.begin() + static_cast<std::ptrdiff_t>(index));
        const Load load(fleet.balancer(), offer.provider->name.full());
        auto response = co_await ask(offer.provider.get(), request);
        if (!response) {
            exchange_->abort();
            co_return Outcome{};
        }
        note(offer, *response, asked_);
        if (*response && is_not_there(**response)) {
            fleet.offers().forget(cid, offer.provider->name.full());
        }
        if (!offers.empty() && attempt < kMaxAttempts && may_try_another(*response) &&
            fleet.budget().take()) {
            log::info(
                "gateway", "request {}: {} did not serve it, another is asked", id_, provider_);
            continue;
        }
        co_return co_await answer(offer.provider.get(), &*response);
    }
}

}  // namespace decloud::gateway::internal
