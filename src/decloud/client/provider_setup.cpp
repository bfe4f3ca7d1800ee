#include "provider_setup.hpp"

#include "error.hpp"

#include <decloud/base/json.hpp>
#include <decloud/base/log.hpp>
#include <decloud/contracts/escrow.hpp>
#include <decloud/contracts/registrar.hpp>
#include <decloud/contracts/registry.hpp>
#include <decloud/contracts/resolver.hpp>
#include <decloud/crypto/random.hpp>
#include <decloud/registry/ens.hpp>
#include <decloud/store/atomic_file.hpp>

#include <fmt/format.h>

namespace decloud::client {

namespace {

constexpr std::uint64_t kSettlerSeconds = 365ULL * 24 * 3600;
constexpr std::uint64_t kSettlerRenewal = 30ULL * 24 * 3600;
constexpr auto kCommitmentWait = std::chrono::minutes(10);

/// The label that the registrar gives out, or nothing for a name elsewhere.
std::string registrar_label(const identity::ProviderName& name) {
    const std::string text = name.short_form();
    return text.find('.') == std::string::npos ? text : std::string();
}

/// Only its owner writes records of ENS, with a wallet that decloud does not have: says which are
/// missing.
async::Task<Result<void>> check_ens_records(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    ChainSession& session,
    const Wallet& wallet,
    ProviderRegistration wanted
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    auto found =
        co_await registry::resolve_by_ens(session.executor(), session.config().ens, wanted.name);
    if (!found && found.error() != make_error_code(ChainError::not_found)) {
        co_return fail(found.error().within("looking up " + wanted.name.full()));
    }
    const chain::ProviderRecord record = found ? std::move(*found) : chain::ProviderRecord{};
    std::string missing;
    const auto require = [&](bool right, std::string_view what, const std::string& value) {
        if (!right) {
            missing += fmt::format("\n  {}  {}", what, value);
        }
    };
    require(record.address == wallet.address(), "address (ETH)", to_string(wallet.address()));
    require(record.url == wanted.url, "text url", wanted.url);
    require(record.rsa_jwk == wanted.rsa_jwk,
        fmt::format("text {}", contracts::resolver::kRsaJwkKey), wanted.rsa_jwk);
    if (!missing.empty()) {
        co_return fail_with_help(ClientError::not_authorised,
            "ENS does not say of " + wanted.name.full() + " what callers need",
            "set these records where you manage the name, then run this again:" + missing);
    }
    co_return Result<void>{};
}

/// Waits until a block is at least this late, as the registrar compares with a block's time.
async::Task<Result<void>> wait_for_chain_time(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    ChainSession& session,
    UnixSeconds time) {
    const auto end = std::chrono::steady_clock::now() + kCommitmentWait;
    for (auto head = session.head().head(); !head || head->timestamp < time;
        head = session.head().head()) {
        if (std::chrono::steady_clock::now() > end) {
            co_return fail(ChainError::timeout, "no new block came in time");
        }
        const std::uint64_t next = head ? head->number + 1 : 1;
        (void)co_await session.head().wait_for_head(next, std::chrono::seconds(30));
    }
    co_return Result<void>{};
}

async::Task<Result<void>> register_name(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    ChainSession& session,
    Wallet& wallet,
    std::string label
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    namespace abi = contracts::registrar;
    const Address registrar = session.config().contracts.registrar;
    const Bytes32 secret{crypto::random_array<32>()};
    CO_TRY(
        const Bytes hash_answer, co_await session.ethereum().call(registrar,
                                     abi::encode_make_commitment(label, wallet.address(), secret)));
    CO_TRY(const Bytes32 commitment, abi::decode_make_commitment(hash_answer));
    CO_TRY(const Bytes age_answer,
        co_await session.ethereum().call(registrar, abi::encode_min_commitment_age()));
    CO_TRY(const std::uint64_t age, abi::decode_min_commitment_age(age_answer));
    CO_TRY(const auto committed,
        co_await wallet.send("commit to a name", registrar, abi::encode_commit(commitment)));
    CO_TRY(const chain::BlockHeader block,
        co_await session.ethereum().get_block(chain::BlockTag::at(committed.block_number)));
    CO_TRY_VOID(co_await wait_for_chain_time(session, {block.timestamp.value + age}));
    CO_TRY_VOID(co_await wallet.send(
        "register the name", registrar, abi::encode_register(label, wallet.address(), secret)));
    co_return Result<void>{};
}

async::Task<Result<bool>> ensure_name(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    ChainSession& session,
    Wallet& wallet,
    identity::ProviderName name
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    CO_TRY(const Address owner, co_await session.registry().owner(name.node()));
    if (owner == wallet.address()) {
        co_return false;
    }
    if (!owner.is_zero()) {
        co_return fail_with_help(ClientError::not_authorised,
            name.full() + " belongs to " + to_string(owner) + ", not to " +
                to_string(wallet.address()),
            "choose another name, or the account that owns it: --account NAME");
    }
    const std::string label = registrar_label(name);
    if (label.empty()) {
        co_return fail_with_help(ClientError::not_authorised,
            "nobody owns " + name.full() + ", and only the owner of the name above it can give it",
            "ask them, or take a name right under .decloud");
    }
    CO_TRY_VOID(co_await register_name(session, wallet, label));
    co_return true;
}

async::Task<Result<bool>> ensure_records(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    ChainSession& session,
    Wallet& wallet,
    ProviderRegistration wanted
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    const Bytes32 node = wanted.name.node();
    const chain::ContractAddresses& contracts = session.config().contracts;
    const auto record = co_await session.registry().resolve(node);
    if (!record && record.error() != make_error_code(ChainError::not_found)) {
        co_return fail(record.error());
    }
    CO_TRY(const Bytes answer, co_await session.ethereum().call(
                                   contracts.registry, contracts::registry::encode_resolver(node)));
    CO_TRY(const Address resolver, contracts::registry::decode_resolver(answer));
    std::vector<PlannedTransaction> steps;
    if (resolver != contracts.resolver) {
        steps.push_back({.what = "set the resolver",
            .to = contracts.registry,
            .data = contracts::registry::encode_set_resolver(node, contracts.resolver)});
    }
    const bool right = record && steps.empty() && record->address == wallet.address() &&
                       record->url == wanted.url && record->rsa_jwk == wanted.rsa_jwk;
    if (!right) {
        steps.push_back({.what = "set the provider's records",
            .to = contracts.resolver,
            .data = contracts::resolver::encode_set_provider(
                node, wallet.address(), wanted.url, wanted.rsa_jwk)});
    }
    if (steps.empty()) {
        co_return false;
    }
    CO_TRY_VOID(co_await wallet.send_all(std::move(steps)));
    co_return true;
}

async::Task<Result<bool>> ensure_settler(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    ChainSession& session,
    Wallet& wallet,
    Address settler,
    const Clock& clock
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    CO_TRY(const Bytes answer, co_await session.ethereum().call(session.config().contracts.escrow,
                                   contracts::escrow::encode_settler_of(wallet.address())));
    CO_TRY(const contracts::escrow::Settler known, contracts::escrow::decode_settler_of(answer));
    const std::uint64_t now = clock.unix_seconds().value;
    if (known.account == settler && known.expires > now + kSettlerRenewal) {
        co_return false;
    }
    CO_TRY_VOID(co_await wallet.set_settler(settler, {now + kSettlerSeconds}));
    co_return true;
}

Result<identity::Signed<identity::Delegation>> stored_delegation(
    const std::filesystem::path& file) {
    TRY(const Bytes text, store::read_file(file, 64U << 10U));
    return identity::parse_signed<identity::Delegation>(as_text(text));
}

/// The account's word on the key for 90 days, stored.
Result<identity::Signed<identity::Delegation>> delegate(const std::filesystem::path& file,
    const AccountSigner& account,
    const identity::ProviderName& name,
    const crypto::Ed25519PublicKey& key,
    std::uint64_t epoch,
    const identity::Domain& domain,
    UnixSeconds now) {
    TRY(auto fields, identity::new_delegation(account.address(), name.node(), key, epoch, now,
                         identity::kLongestDelegation));
    TRY(auto made, account.sign(fields, domain));
    TRY(const std::string text, json::canonical(identity::to_json(made)));
    TRY_VOID(store::write_file_atomically(file, as_bytes(text)));
    return made;
}

}  // namespace

async::Task<Result<RegistrationChanges>> register_provider(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    ChainSession& session,
    Wallet& wallet,
    ProviderRegistration registration,
    const Clock& clock
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    RegistrationChanges changes;
    if (registry::is_ens_name(registration.name) && !session.config().ens.rpc_urls.empty()) {
        CO_TRY_VOID(co_await check_ens_records(session, wallet, registration));
    } else {
        CO_TRY(changes.name_registered, co_await ensure_name(session, wallet, registration.name));
        CO_TRY(changes.records_set, co_await ensure_records(session, wallet, registration));
    }
    CO_TRY(
        changes.settler_set, co_await ensure_settler(session, wallet, registration.settler, clock));
    co_return changes;
}

Result<identity::Signed<identity::Delegation>> ensure_delegation(const std::filesystem::path& file,
    identity::KeyStore& keys,
    const std::string& account,
    const identity::ProviderName& name,
    const identity::Domain& domain,
    UnixSeconds now) {
    TRY(const crypto::Ed25519PrivateKey node_key, keys.node_identity());
    const auto stored = stored_delegation(file);
    std::uint64_t epoch = 1;
    bool valid = false;
    if (stored) {
        // Of another key: that one was replaced, and its epoch is over.
        const bool replaced = stored->fields.ed25519_key != Bytes32{node_key.public_key().bytes};
        epoch = stored->fields.epoch + (replaced ? 1 : 0);
        const auto checked = identity::verify_delegation(
            *stored, {.account = stored->fields.account, .node = name.node()}, now, domain);
        valid = checked && *checked == node_key.public_key();
        if (valid && !identity::expires_soon(stored->fields, now)) {
            return *stored;
        }
    }
    const auto key = open_signer(keys, account);
    if (!key && valid && key.error() == make_error_code(IdentityError::passphrase_required)) {
        // A provider that starts alone goes on serving while it may.
        log::warning("provider",
            "the delegation ends soon and {} is encrypted: start it once with "
            "--passphrase-file FILE",
            account);
        return *stored;
    }
    if (!key) {
        return fail(key.error());
    }
    return delegate(file, *key, name, node_key.public_key(), epoch, domain, now);
}

Result<identity::Signed<identity::Delegation>> rotate_identity(const std::filesystem::path& file,
    identity::KeyStore& keys,
    const AccountSigner& account,
    const identity::ProviderName& name,
    const identity::Domain& domain,
    UnixSeconds now) {
    const auto stored = stored_delegation(file);
    const std::uint64_t epoch = stored ? stored->fields.epoch + 1 : 1;
    TRY(const crypto::Ed25519PrivateKey key, keys.rotate_node_identity());
    return delegate(file, account, name, key.public_key(), epoch, domain, now);
}

Bytes encode_lowest_epoch(const identity::ProviderName& name, std::uint64_t epoch) {
    return contracts::resolver::encode_set_text(
        name.node(), contracts::resolver::kLowestEpochKey, std::to_string(epoch));
}

}  // namespace decloud::client
