#include "alias_store.hpp"

#include "../routing.hpp"

#include <decloud/async/offload.hpp>
#include <decloud/base/log.hpp>
#include <decloud/multiformats/cid.hpp>

#include <fmt/format.h>

#include <utility>

namespace decloud::gateway::internal {

namespace {

using identity::AliasBinding;
using identity::Signed;
using protocol::Checked;
using protocol::refuse;
using protocol::Status;

constexpr std::string_view kPrefix = "alias/";

}  // namespace

AliasStore::AliasStore(std::unique_ptr<store::RecordStore> records,
    boost::asio::thread_pool& pool,
    AliasStoreSettings settings)
    : records_(std::move(records)), pool_(pool), settings_(std::move(settings)) {}

Result<std::unique_ptr<AliasStore>> AliasStore::open(const std::filesystem::path& path,
    boost::asio::thread_pool& pool,
    AliasStoreSettings settings) {
    TRY(auto records, store::RecordStore::open(path));
    std::unique_ptr<AliasStore> out(new AliasStore(std::move(records), pool, std::move(settings)));
    TRY_VOID(out->read());
    return out;
}

Result<void> AliasStore::read() {
    TRY(const auto rows, records_->list(kPrefix));
    for (const auto& [key, bytes] : rows) {
        TRY(const json::Value value, json::parse(as_text(bytes)));
        Bindings bindings;
        if (value.is_array()) {
            for (const json::Value& one : value.get_array()) {
                TRY(auto binding, identity::parse_alias_binding(json::to_text(one)));
                bindings.push_back(std::move(binding));
            }
        }
        if (bindings.empty()) {
            return fail(CommonError::corrupt, "the record " + key + " holds no bindings");
        }
        ++per_owner_[bindings.back().fields.owner];
        aliases_.emplace(bindings.back().fields.alias, std::move(bindings));
    }
    return {};
}

std::string AliasStore::to_text(const Bindings& bindings) {
    json::Array rows;
    for (const auto& binding : bindings) {
        rows.emplace_back(identity::to_json(binding));
    }
    return json::to_text(rows);
}

Checked<void> AliasStore::judge(const Signed<AliasBinding>& binding) const {
    const AliasBinding& fields = binding.fields;
    if (!is_alias(fields.alias)) {
        return refuse(400, Status::bad_request,
            "an alias is a label of lower-case letters, digits and inner hyphens, and none that "
            "gateways use themselves");
    }
    if (fields.gateway != settings_.gateway) {
        return refuse(400, Status::bad_request, "this gateway is " + settings_.gateway);
    }
    const auto cid = multiformats::Cid::parse(fields.cid);
    if (!fields.cid.empty() && (!cid || cid->to_string() != fields.cid)) {
        return refuse(400, Status::bad_request, "the cid is none, or not in its usual form");
    }
    if (const auto verified = identity::verify(binding, settings_.domain); !verified) {
        return refuse(403, Status::declined, verified.error().detail());
    }
    const auto found = aliases_.find(fields.alias);
    if (found == aliases_.end()) {
        if (fields.cid.empty()) {
            return refuse(400, Status::bad_request, "a new alias has to stand for something");
        }
        const auto owned = per_owner_.find(fields.owner);
        if (owned != per_owner_.end() && owned->second >= settings_.max_per_owner) {
            return refuse(429, Status::declined, "this account has as many aliases as it may have");
        }
        if (aliases_.size() >= settings_.max_aliases) {
            return refuse(507, Status::server_error, "this gateway keeps no more aliases");
        }
        return {};
    }
    const AliasBinding& current = found->second.back().fields;
    if (current.owner != fields.owner) {
        return refuse(403, Status::declined, fmt::format("{} is another's", fields.alias));
    }
    if (fields.version <= current.version) {
        return refuse(409, Status::declined,
            fmt::format("{} is at version {} already", fields.alias, current.version));
    }
    return {};
}

async::Task<Checked<void>> AliasStore::set(Signed<AliasBinding> binding) {
    if (auto allowed = judge(binding); !allowed) {
        co_return allowed;
    }
    const std::string alias = binding.fields.alias;
    const auto found = aliases_.find(alias);
    const bool is_new = found == aliases_.end();
    Bindings bindings = is_new ? Bindings{} : found->second;
    bindings.push_back(binding);
    if (bindings.size() > settings_.max_history) {
        bindings.erase(bindings.begin());
    }
    // It counts from now on, so that two requests cannot both be the next version.
    if (is_new) {
        ++per_owner_[binding.fields.owner];
    }
    aliases_.insert_or_assign(alias, bindings);
    const auto written = co_await async::offload(
        pool_, [records = records_.get(), key = std::string(kPrefix) + alias,
                   text = to_text(bindings)] { return records->put(key, as_bytes(text)); });
    if (!written) {
        log::error("gateway", "the alias {} is not on disk: {}", alias, written.error().message());
        co_return refuse(
            507, Status::server_error, "the alias could not be written; it holds until a restart");
    }
    co_return Checked<void>{};
}

std::optional<std::string> AliasStore::find(std::string_view alias) const {
    const auto found = aliases_.find(alias);
    if (found == aliases_.end() || found->second.back().fields.cid.empty()) {
        return std::nullopt;
    }
    return found->second.back().fields.cid;
}

std::optional<json::Object> AliasStore::describe(std::string_view alias) const {
    const auto found = aliases_.find(alias);
    if (found == aliases_.end()) {
        return std::nullopt;
    }
    json::Array history;
    for (const auto& binding : found->second) {
        history.emplace_back(identity::to_json(binding));
    }
    const AliasBinding& current = found->second.back().fields;
    return json::Object{{"alias", current.alias}, {"owner", to_string(current.owner)},
        {"cid", current.cid}, {"version", current.version}, {"history", std::move(history)}};
}

}  // namespace decloud::gateway::internal
