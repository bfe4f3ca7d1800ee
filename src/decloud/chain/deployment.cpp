#include "deployment.hpp"

#include "internal/contract_call.hpp"
#include "transaction.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/contracts/escrow.hpp>
#include <decloud/contracts/registrar.hpp>
#include <decloud/contracts/registry.hpp>
#include <decloud/contracts/resolver.hpp>
#include <decloud/contracts/test_usdc.hpp>
#include <decloud/crypto/hash.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace decloud::chain {

namespace escrow = contracts::escrow;
namespace registrar = contracts::registrar;
namespace registry = contracts::registry;
namespace resolver = contracts::resolver;
namespace usdc = contracts::test_usdc;
using internal::ask_contract;

namespace {

constexpr std::uint64_t kScannedNonces = 64;
constexpr std::string_view kTopLabel = "decloud";

const Bytes32 kRoot{};

Bytes32 top_node() {
    Bytes joined = to_bytes(kRoot.view());
    append(joined, crypto::keccak256(kTopLabel).view());
    return crypto::keccak256(joined);
}

// The state before a transaction of ours is mined would tell that nothing is there.
BlockTag now() { return BlockTag::pending(); }

// Finds what stands and puts up what is missing, in the order of their needs.
class Deployer {
  public:
    Deployer(
        EthereumClient& client, TransactionSender& sender, DevelopmentContractsSettings settings)
        : client_(client), sender_(sender), settings_(settings) {}

    async::Task<Result<ContractAddresses>> run() {
        CO_TRY_VOID(co_await collect());
        ContractAddresses out;
        CO_TRY(out.usdc, co_await ensure_usdc());
        CO_TRY(out.registry, co_await ensure_registry());
        CO_TRY(out.registrar, co_await ensure_registrar(out.registry));
        CO_TRY(out.resolver, co_await ensure_resolver(out.registry));
        CO_TRY(out.escrow, co_await ensure_escrow(out.usdc));
        CO_TRY_VOID(co_await ensure_top_name(out));
        for (const std::string& intent : sent_) {
            CO_TRY_VOID(co_await sender_.wait(intent));
        }
        co_return out;
    }

  private:
    struct Candidate {
        Address address;
        Bytes code;
    };

    async::Task<Result<void>> consider(Address address) {
        CO_TRY(Bytes code, co_await client_.code(address, now()));
        if (!code.empty()) {
            candidates_.push_back({address, std::move(code)});
        }
        co_return Result<void>{};
    }

    async::Task<Result<void>> collect() {
        if (const auto& known = settings_.known) {
            for (const Address& address :
                {known->usdc, known->registry, known->registrar, known->resolver, known->escrow}) {
                CO_TRY_VOID(co_await consider(address));
            }
        }
        CO_TRY(const std::uint64_t nonce, co_await client_.nonce(sender_.address(), now()));
        for (std::uint64_t i = 0; i < std::min(nonce, kScannedNonces); ++i) {
            CO_TRY_VOID(co_await consider(contract_address(sender_.address(), i)));
        }
        co_return Result<void>{};
    }

    [[nodiscard]] std::vector<Address> matching(bool (*is_runtime_code)(BytesView)) const {
        std::vector<Address> out;
        for (const Candidate& candidate : candidates_) {
            if (is_runtime_code(candidate.code)) {
                out.push_back(candidate.address);
            }
        }
        return out;
    }

    async::Task<Result<Address>> create(std::string name, Bytes code) {
        TransactionRequest request{
            .intent = "deploy " + name + " " + to_hex(crypto::keccak256(code).view().first(8)),
            .data = std::move(code)};
        CO_TRY(const SentTransaction sent, co_await send(std::move(request)));
        if (!sent.contract) {
            co_return fail(
                ChainError::invalid_response, "a deployment without a contract's address");
        }
        co_return *sent.contract;
    }

    async::Task<Result<SentTransaction>> send(TransactionRequest request) {
        const std::string intent = request.intent;
        // An outcome in the journal is of another chain, as the contract is not here. A pending one
        // is joined.
        if (auto forgotten = co_await sender_.forget(intent);
            !forgotten && !(forgotten.error() == make_error_code(CommonError::conflict))) {
            co_return fail(std::move(forgotten.error()));
        }
        auto sent = co_await sender_.send(std::move(request));
        if (sent) {
            sent_.push_back(intent);
        }
        co_return sent;
    }

    async::Task<Result<Address>> ensure_usdc() {
        for (const Address& address : matching(usdc::is_runtime_code)) {
            CO_TRY(const Address owner, co_await ask_contract(&client_, address,
                                            usdc::encode_owner(), usdc::decode_owner, now()));
            if (owner == sender_.address()) {
                co_return address;
            }
        }
        co_return co_await create("usdc", usdc::deployment_code(sender_.address()));
    }

    async::Task<Result<Address>> ensure_registry() {
        for (const Address& address : matching(registry::is_runtime_code)) {
            CO_TRY(const Address owner,
                co_await ask_contract(&client_, address, registry::encode_owner(kRoot),
                    registry::decode_owner, now()));
            if (owner == sender_.address()) {
                co_return address;
            }
        }
        co_return co_await create("registry", registry::deployment_code());
    }

    async::Task<Result<Address>> ensure_registrar(Address names) {
        for (const Address& address : matching(registrar::is_runtime_code)) {
            CO_TRY(const Address of,
                co_await ask_contract(&client_, address, registrar::encode_registry(),
                    registrar::decode_registry, now()));
            if (of == names) {
                co_return address;
            }
        }
        co_return co_await create(
            "registrar", registrar::deployment_code(names, top_node(),
                             static_cast<std::uint64_t>(settings_.min_commitment_age.count())));
    }

    async::Task<Result<Address>> ensure_resolver(Address names) {
        for (const Address& address : matching(resolver::is_runtime_code)) {
            CO_TRY(const Address of,
                co_await ask_contract(&client_, address, resolver::encode_registry(),
                    resolver::decode_registry, now()));
            if (of == names) {
                co_return address;
            }
        }
        co_return co_await create("resolver", resolver::deployment_code(names));
    }

    async::Task<Result<Address>> ensure_escrow(Address token) {
        const auto delay = static_cast<std::uint64_t>(settings_.close_delay.count());
        for (const Address& address : matching(escrow::is_runtime_code)) {
            CO_TRY(const Address of, co_await ask_contract(&client_, address,
                                         escrow::encode_token(), escrow::decode_token, now()));
            CO_TRY(const std::uint64_t its_delay,
                co_await ask_contract(&client_, address, escrow::encode_close_delay(),
                    escrow::decode_close_delay, now()));
            if (of == token && its_delay == delay) {
                co_return address;
            }
        }
        co_return co_await create("escrow", escrow::deployment_code(token, delay));
    }

    async::Task<Result<void>> ensure_top_name(ContractAddresses all) {
        CO_TRY(const Address owner,
            co_await ask_contract(&client_, all.registry, registry::encode_owner(top_node()),
                registry::decode_owner, now()));
        if (owner == all.registrar) {
            co_return Result<void>{};
        }
        TransactionRequest request{.intent = "top name to " + to_string(all.registrar),
            .to = all.registry,
            .data = registry::encode_set_subnode_owner(
                kRoot, crypto::keccak256(kTopLabel), all.registrar)};
        CO_TRY_VOID(co_await send(std::move(request)));
        co_return Result<void>{};
    }

    EthereumClient& client_;
    TransactionSender& sender_;
    DevelopmentContractsSettings settings_;
    std::vector<Candidate> candidates_;
    std::vector<std::string> sent_;
};

async::Task<Result<bool>> runs(
    EthereumClient* client, Address address, bool (*is_runtime_code)(BytesView)) {
    CO_TRY(const Bytes code, co_await client->code(address));
    co_return is_runtime_code(code);
}

}  // namespace

async::Task<Result<ContractAddresses>> deploy_development_contracts(
    EthereumClient& client, TransactionSender& sender, DevelopmentContractsSettings settings) {
    Deployer deployer(client, sender, settings);
    co_return co_await deployer.run();
}

async::Task<Result<bool>> are_current(EthereumClient& client, ContractAddresses contracts) {
    const std::vector<std::pair<Address, bool (*)(BytesView)>> expected{
        {contracts.usdc, usdc::is_runtime_code}, {contracts.registry, registry::is_runtime_code},
        {contracts.registrar, registrar::is_runtime_code},
        {contracts.resolver, resolver::is_runtime_code},
        {contracts.escrow, escrow::is_runtime_code}};
    for (const auto& [address, is_runtime_code] : expected) {
        CO_TRY(const bool same, co_await runs(&client, address, is_runtime_code));
        if (!same) {
            co_return false;
        }
    }
    const BlockTag latest = BlockTag::latest();
    CO_TRY(const Address token, co_await ask_contract(&client, contracts.escrow,
                                    escrow::encode_token(), escrow::decode_token, latest));
    CO_TRY(
        const Address names, co_await ask_contract(&client, contracts.resolver,
                                 resolver::encode_registry(), resolver::decode_registry, latest));
    CO_TRY(
        const Address top, co_await ask_contract(&client, contracts.registry,
                               registry::encode_owner(top_node()), registry::decode_owner, latest));
    co_return token == contracts.usdc&& names == contracts.registry&& top == contracts.registrar;
}

}  // namespace decloud::chain
