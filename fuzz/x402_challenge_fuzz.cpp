#include <decloud/base/bytes.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/client/x402_challenge.hpp>
#include <decloud/client/x402_payer.hpp>

#include <cstdint>
#include <cstdlib>

// What a server answers whom it wants to be paid by: the header (which is base64, so that JSON is
// given encoded, too), the body, and what became of a payment. What was understood can be signed.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace decloud;
    const BytesView input(data, size);
    const std::string encoded = to_base64(input);
    static const client::AccountSigner signer(crypto::Secp256k1PrivateKey::generate());
    for (const auto& challenge :
        {client::parse_x402_header(as_text(input)), client::parse_x402_header(encoded),
            client::parse_x402_body(input), client::read_x402_challenge(encoded, input)}) {
        if (!challenge) {
            continue;
        }
        std::vector<client::TokenId> tokens;
        for (const client::X402Terms& terms : challenge->terms) {
            tokens.push_back(terms.token);
            if (client::parse_token_id(terms.token.to_string()) != terms.token) {
                std::abort();
            }
        }
        const auto chosen = client::choose_terms(*challenge, tokens);
        if (chosen.has_value() != !challenge->terms.empty()) {
            std::abort();
        }
        if (chosen) {
            if (!client::sign_x402_payment(*challenge, *chosen, signer, Bytes32{}, {})) {
                std::abort();
            }
        }
    }
    (void)client::parse_x402_settlement(as_text(input));
    (void)client::parse_x402_settlement(encoded);
    (void)client::parse_token_id(as_text(input));
    return 0;
}
