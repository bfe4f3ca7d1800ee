#include "escrow_test_support.hpp"

#include <decloud/crypto/random.hpp>
#include <decloud/identity/signed_structs.hpp>

#include <gtest/gtest.h>

namespace decloud::payments {
namespace {

using testing::EscrowBench;
namespace abi = contracts::escrow;

Bytes32 word() { return Bytes32{crypto::random_array<32>()}; }
Address account() { return Address{crypto::random_array<20>()}; }

/// What the escrow itself says that an account signs.
async::Task<Bytes32> ask(EscrowBench* bench, Bytes data) {
    const auto answer =
        co_await bench->chain().client->call(bench->contracts.escrow, std::move(data));
    co_return Bytes32::from(answer.value()).value();
}

identity::Deployment deployment(std::size_t providers) {
    identity::Deployment out{.spec_hash = word(),
        .owner = account(),
        .terms_hash = word(),
        .escrow = account(),
        .chain_id = 31337,
        .max_price = ~Uint128{0},
        .created = ~std::uint64_t{0}};
    for (std::size_t i = 0; i < providers; ++i) {
        out.providers.push_back(word());
        out.key_thumbprints.push_back(word());
    }
    return out;
}

async::Task<void> compare(EscrowBench* bench, identity::Domain domain, std::size_t round) {
    const auto d = deployment(round);
    EXPECT_EQ(co_await ask(bench, abi::encode_deployment_digest({d.spec_hash, d.owner, d.providers,
                                      d.key_thumbprints, d.terms_hash, d.escrow,
                                      Uint256::from(d.chain_id), d.max_price, d.created})),
        identity::digest(d, domain));
    const identity::CallAuthorization c{account(), account(), word(), Uint128{1} << (40 * round),
        word(), std::uint64_t{1} << (20 * round)};
    EXPECT_EQ(co_await ask(bench, abi::encode_call_authorization_digest({c.payer, c.provider,
                                      c.request_digest, c.max_price, c.nonce, c.valid_before})),
        identity::digest(c, domain));
    const identity::Delegation g{account(), word(), word(), round, round * 1000, ~round};
    EXPECT_EQ(co_await ask(bench, abi::encode_delegation_digest({g.account, g.node, g.ed25519_key,
                                      g.epoch, g.not_before, g.expires})),
        identity::digest(g, domain));
    const identity::Revocation r{word(), account(), round};
    EXPECT_EQ(co_await ask(bench, abi::encode_revocation_digest({r.spec_hash, r.owner, r.created})),
        identity::digest(r, domain));
    const identity::Voucher v{word(), Uint128{1} << (40 * round)};
    EXPECT_EQ(co_await ask(bench, abi::encode_voucher_digest(v.channel_id, v.cumulative_amount)),
        identity::digest(v, domain));
}

TEST(SignedStructs, HaveTheDigestsThatTheEscrowComputes) {
    boost::asio::io_context io;
    chain::testing_support::run(io, [](async::Executor executor) -> async::Task<void> {
        const auto bench = co_await EscrowBench::start(executor);
        const identity::Domain domain{.chain_id = 31337, .escrow = bench->contracts.escrow};
        EXPECT_EQ(co_await ask(bench.get(), abi::encode_domain_separator()),
            identity::domain_separator(domain));
        for (std::size_t round = 0; round < 4; ++round) {
            co_await compare(bench.get(), domain, round);
        }
        co_await bench->stop();
    }(io.get_executor()));
}

}  // namespace
}  // namespace decloud::payments
