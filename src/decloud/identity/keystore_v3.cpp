#include "keystore_v3.hpp"

#include "internal/password_cipher.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/crypto/hash.hpp>
#include <decloud/crypto/random.hpp>

#include <algorithm>
#include <bit>
#include <span>

namespace decloud::identity {

namespace {

constexpr std::uint64_t kVersion = 3;
constexpr std::uint64_t kDerivedBytes = 32;
constexpr std::size_t kMaxSalt = 256;
constexpr std::string_view kCipher = "aes-128-ctr";
constexpr std::string_view kScrypt = "scrypt";
constexpr std::string_view kPbkdf2 = "pbkdf2";
constexpr std::string_view kPrf = "hmac-sha256";

std::unexpected<Error> refuse(std::string_view why) {
    return fail(CommonError::invalid_input, "the encrypted key: " + std::string(why));
}

std::uint64_t memory_of(const ScryptParameters& parameters) {
    return 128 * parameters.n * parameters.r;
}

// Products cannot overflow: every factor is looked at before it is multiplied.
Result<void> check(const ScryptParameters& parameters) {
    const auto [n, r, p] = parameters;
    if (n < 2 || !std::has_single_bit(n) || r == 0 || p == 0) {
        return refuse("scrypt's n is a power of two above 1, its r and p are above 0");
    }
    if (n > kMaxScryptWork || r > kMaxScryptWork || p > kMaxScryptWork || n * r > kMaxScryptWork ||
        n * r * p > kMaxScryptWork || memory_of(parameters) > kMaxScryptMemory ||
        128ULL * r * p > kMaxScryptMemory) {
        return fail(CommonError::limit_exceeded,
            "the encrypted key: scrypt with n " + std::to_string(n) + ", r " + std::to_string(r) +
                ", p " + std::to_string(p) + " takes too much memory or time");
    }
    // Botan's own limits, which hold for parameters outside of RFC 7914.
    if (r > 256 || p > 128) {
        return refuse("unusual parameters of scrypt");
    }
    return {};
}

Result<void> check_passphrase(BytesView passphrase) {
    if (passphrase.empty() || passphrase.size() > kMaxPassphrase) {
        return fail(CommonError::invalid_input,
            "a passphrase has 1 to " + std::to_string(kMaxPassphrase) + " bytes");
    }
    return {};
}

Result<std::uint32_t> small_member(const json::Object& object, std::string_view name) {
    TRY(const std::uint64_t value, json::uint_member(object, name));
    if (value > kMaxScryptWork) {
        return fail(CommonError::limit_exceeded, "the encrypted key: " + std::string(name) + " " +
                                                     std::to_string(value) + " is too much");
    }
    return static_cast<std::uint32_t>(value);
}

Result<Bytes> hex_member(const json::Object& object, std::string_view name, std::size_t max_bytes) {
    TRY(const std::string text, json::string_member(object, name));
    if (text.size() > 2 * max_bytes + 2) {
        return refuse(std::string(name) + " is too long");
    }
    auto bytes = from_hex(text);
    if (!bytes) {
        return refuse(std::string(name) + " is not hexadecimal");
    }
    return bytes;
}

template <std::size_t Size>
Result<std::array<std::uint8_t, Size>> array_of(const json::Object& object, std::string_view name) {
    TRY(const Bytes bytes, hex_member(object, name, Size));
    if (bytes.size() != Size) {
        return refuse(std::string(name) + " is not " + std::to_string(Size) + " bytes long");
    }
    std::array<std::uint8_t, Size> out{};
    std::ranges::copy(bytes, out.begin());
    return out;
}

Result<KeyDerivation> derivation_of(const std::string& name, const json::Object& parameters) {
    TRY(const std::uint64_t length, json::uint_member(parameters, "dklen"));
    if (length != kDerivedBytes) {
        return refuse("dklen is not 32");
    }
    if (name == kScrypt) {
        ScryptParameters out;
        TRY(out.n, json::uint_member(parameters, "n"));
        TRY(out.r, small_member(parameters, "r"));
        TRY(out.p, small_member(parameters, "p"));
        TRY_VOID(check(out));
        return out;
    }
    if (name != kPbkdf2) {
        return refuse("kdf is neither scrypt nor pbkdf2");
    }
    TRY(const std::string prf, json::string_member(parameters, "prf"));
    TRY(const std::uint64_t iterations, json::uint_member(parameters, "c"));
    if (prf != kPrf) {
        return refuse("prf is not hmac-sha256");
    }
    if (iterations == 0) {
        return refuse("c is zero");
    }
    if (iterations > kMaxPbkdf2Iterations) {
        return fail(CommonError::limit_exceeded,
            "the encrypted key: " + std::to_string(iterations) + " rounds take too much time");
    }
    return Pbkdf2Parameters{.iterations = iterations};
}

Result<std::optional<Address>> address_of(const json::Object& object) {
    const json::Value* const value = object.if_contains("address");
    // Some programs leave it out for privacy, some write an empty one.
    if (value == nullptr || (value->is_string() && value->get_string().empty())) {
        return std::nullopt;
    }
    TRY(const auto bytes, array_of<Address::kSize>(object, "address"));
    return Address{bytes};
}

Result<json::Object> crypto_of(const json::Object& object) {
    const bool capital = object.contains("Crypto");
    if (capital && object.contains("crypto")) {
        return refuse("both crypto and Crypto");
    }
    return json::object_member(object, capital ? "Crypto" : "crypto");
}

std::string random_uuid() {
    auto bytes = crypto::random_array<16>();
    bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0fU) | 0x40U);
    bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3fU) | 0x80U);
    std::string out = to_hex(bytes);
    for (const std::size_t at : {20U, 16U, 12U, 8U}) {
        out.insert(at, 1, '-');
    }
    return out;
}

json::Object parameters_to_json(const KeyDerivation& derivation, BytesView salt) {
    if (const auto* const scrypt = std::get_if<ScryptParameters>(&derivation)) {
        return {{"dklen", kDerivedBytes}, {"n", scrypt->n}, {"p", scrypt->p}, {"r", scrypt->r},
            {"salt", to_hex(salt)}};
    }
    return {{"c", std::get<Pbkdf2Parameters>(derivation).iterations}, {"dklen", kDerivedBytes},
        {"prf", kPrf}, {"salt", to_hex(salt)}};
}

}  // namespace

bool is_encrypted_key(const json::Object& object) {
    return object.contains("crypto") || object.contains("Crypto");
}

Result<EncryptedKey> EncryptedKey::parse(std::string_view text) {
    TRY(const json::Value value,
        json::parse(text, {.max_bytes = kMaxEncryptedKeyFile, .max_depth = 8}));
    if (!value.is_object()) {
        return refuse("not a JSON object");
    }
    return from_json(value.get_object());
}

Result<EncryptedKey> EncryptedKey::from_json(const json::Object& object) {
    TRY(const std::uint64_t version, json::uint_member(object, "version"));
    if (version != kVersion) {
        return refuse("version is not 3");
    }
    TRY(const json::Object crypto, crypto_of(object));
    TRY(const std::string cipher, json::string_member(crypto, "cipher"));
    if (cipher != kCipher) {
        return refuse("cipher is not aes-128-ctr");
    }
    EncryptedKey out;
    TRY(out.address_, address_of(object));
    if (object.contains("id")) {
        TRY(out.id_, json::string_member(object, "id"));
    }
    TRY(const json::Object cipher_parameters, json::object_member(crypto, "cipherparams"));
    TRY(out.vector_, array_of<16>(cipher_parameters, "iv"));
    TRY(out.ciphertext_, array_of<32>(crypto, "ciphertext"));
    TRY(const auto mac, array_of<32>(crypto, "mac"));
    out.mac_ = Bytes32{mac};
    TRY(const std::string kdf, json::string_member(crypto, "kdf"));
    TRY(const json::Object parameters, json::object_member(crypto, "kdfparams"));
    TRY(out.derivation_, derivation_of(kdf, parameters));
    TRY(out.salt_, hex_member(parameters, "salt", kMaxSalt));
    return out;
}

Result<EncryptedKey> EncryptedKey::seal(
    const crypto::Secp256k1PrivateKey& key, BytesView passphrase, ScryptParameters parameters) {
    TRY_VOID(check(parameters));
    TRY_VOID(check_passphrase(passphrase));
    EncryptedKey out;
    out.address_ = key.address();
    out.id_ = random_uuid();
    out.derivation_ = parameters;
    out.salt_ = crypto::random_bytes(32);
    out.vector_ = crypto::random_array<16>();
    TRY(const crypto::Secret derived, out.derive(passphrase));
    internal::aes128_ctr(
        derived.view().first(16), out.vector_, key.secret_bytes(), out.ciphertext_);
    out.mac_ = out.mac_of(derived);
    return out;
}

Result<crypto::Secret> EncryptedKey::derive(BytesView passphrase) const {
    if (const auto* const scrypt = std::get_if<ScryptParameters>(&derivation_)) {
        const auto [n, r, p] = *scrypt;
        // The table, one block for each lane, and what is mixed.
        const std::uint64_t memory = memory_of(*scrypt) + 128ULL * r * p + 1024ULL * r;
        return internal::scrypt(passphrase, salt_, n, r, p, memory);
    }
    return internal::pbkdf2_sha256(
        passphrase, salt_, std::get<Pbkdf2Parameters>(derivation_).iterations);
}

Bytes32 EncryptedKey::mac_of(const crypto::Secret& derived) const {
    crypto::Secret text(16 + ciphertext_.size());
    std::ranges::copy(derived.view().subspan(16, 16), text.writable().begin());
    std::ranges::copy(ciphertext_, text.writable().begin() + 16);
    return crypto::keccak256(text.view());
}

Result<crypto::Secp256k1PrivateKey> EncryptedKey::open(BytesView passphrase) const {
    if (passphrase.size() > kMaxPassphrase) {
        return fail(IdentityError::wrong_passphrase);
    }
    TRY(const crypto::Secret derived, derive(passphrase));
    if (!equal_constant_time(mac_of(derived).view(), mac_.view())) {
        return fail(IdentityError::wrong_passphrase);
    }
    crypto::Secret secret(ciphertext_.size());
    internal::aes128_ctr(derived.view().first(16), vector_, ciphertext_, secret.writable());
    auto key = crypto::Secp256k1PrivateKey::from_bytes(secret.view());
    if (!key) {
        return fail(CommonError::corrupt, "what was encrypted is not an account's key");
    }
    if (address_ && *address_ != key->address()) {
        return fail(CommonError::corrupt, "the key is " + to_string(key->address()) + "'s, not " +
                                              to_string(*address_) + "'s as it says");
    }
    return key;
}

json::Object EncryptedKey::to_json() const {
    json::Object out;
    if (address_) {
        // Without "0x", as others write it.
        out["address"] = to_hex(address_->view());
    }
    out["crypto"] = {{"cipher", kCipher}, {"cipherparams", {{"iv", to_hex(vector_)}}},
        {"ciphertext", to_hex(ciphertext_)},
        {"kdf", std::holds_alternative<ScryptParameters>(derivation_) ? kScrypt : kPbkdf2},
        {"kdfparams", parameters_to_json(derivation_, salt_)}, {"mac", to_hex(mac_.view())}};
    if (!id_.empty()) {
        out["id"] = id_;
    }
    out["version"] = kVersion;
    return out;
}

}  // namespace decloud::identity
