#include <decloud/crypto/rsa.hpp>
#include <decloud/identity/did_key.hpp>
#include <decloud/identity/jwe.hpp>
#include <decloud/identity/names.hpp>
#include <decloud/identity/signed_structs.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace decloud::identity {
namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

template <class Struct>
void check_statement(std::string_view text) {
    const auto statement = parse_signed<Struct>(text);
    if (statement) {
        require(from_json<Struct>(to_json(*statement)) == *statement);
        (void)verify(*statement, Domain{});
    }
}

void check_name(std::string_view text) {
    if (const auto name = ProviderName::parse(text)) {
        require(ProviderName::parse(name->full()) == *name);
        require(ProviderName::parse(name->short_form()) == *name);
        require(ProviderName::from_gateway_label(name->gateway_label()) == *name);
    }
    (void)ProviderName::from_gateway_label(text);
}

}  // namespace

// The first byte chooses the parser; whatever one accepts must survive being written and read
// again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
    switch (data[0] % 8) {
        case 0:
            check_statement<Deployment>(text);
            break;
        case 1:
            check_statement<CallAuthorization>(text);
            break;
        case 2:
            check_statement<Delegation>(text);
            break;
        case 3:
            check_statement<Revocation>(text);
            break;
        case 4:
            check_name(text);
            break;
        case 5:
            if (const auto key = parse_did_key(text)) {
                require(to_did_key(*key) == text);
            }
            break;
        case 6:
            if (const auto jwe = Jwe::parse(text)) {
                (void)jwe->key_ids();
            }
            break;
        default:
            (void)crypto::RsaPublicKey::from_jwk(text);
    }
    return 0;
}

}  // namespace decloud::identity
