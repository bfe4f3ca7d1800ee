#include "keystore.hpp"

#include "internal/key_file.hpp"
#include "ipns_keys.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <optional>
#include <variant>

namespace decloud::identity {

namespace {

constexpr std::uint64_t kFormatVersion = 1;
constexpr std::string_view kSecp256k1 = "secp256k1";
constexpr std::string_view kEd25519 = "ed25519";
constexpr std::string_view kMac = "hmac-sha256";
constexpr std::string_view kExternal = "external";

// The published keys of anvil and Hardhat.
constexpr std::array<std::string_view, 10> kDevelopmentKeys{
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    "8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    "92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
    "4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    "dbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
    "2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
};

Result<void> check_name(std::string_view name) {
    const bool good = !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
    if (!good) {
        return fail(CommonError::invalid_input,
            "a key's name has 1 to 64 of a-z, 0-9, - and _, not \"" + std::string(name) + "\"");
    }
    return {};
}

void put(std::span<std::uint8_t> target, std::size_t& at, std::string_view text) {
    std::ranges::copy(text, target.begin() + static_cast<std::ptrdiff_t>(at));
    at += text.size();
}

// The text is put together in locked memory, where a JSON library would leave copies behind.
crypto::Secret key_text(std::string_view type, std::string_view address, BytesView key) {
    const std::string head =
        "{\"version\":" + std::to_string(kFormatVersion) + ",\"type\":\"" + std::string(type) +
        "\"," + (address.empty() ? "" : "\"address\":\"" + std::string(address) + "\",") +
        "\"key\":\"";
    static constexpr std::string_view kTail = "\"}\n";
    crypto::Secret text(head.size() + 2 * key.size() + kTail.size());
    std::size_t at = 0;
    put(text.writable(), at, head);
    for (const std::uint8_t byte : key) {
        static constexpr std::string_view kDigits = "0123456789abcdef";
        text.writable()[at++] = static_cast<std::uint8_t>(kDigits[byte >> 4U]);
        text.writable()[at++] = static_cast<std::uint8_t>(kDigits[byte & 15U]);
    }
    put(text.writable(), at, kTail);
    return text;
}

crypto::Secret key_text(const crypto::Secp256k1PrivateKey& key) {
    return key_text(kSecp256k1, to_string(key.address()), key.secret_bytes());
}

std::string key_text(const EncryptedKey& key) { return json::to_text(key.to_json()) + "\n"; }

Result<void> save(const std::filesystem::path& path, std::string_view type, BytesView key) {
    return internal::create_private_file(path, key_text(type, "", key).view());
}

Error corrupt(const std::filesystem::path& path, std::string_view why) {
    return {make_error_code(CommonError::corrupt), path.string() + ": " + std::string(why)};
}

Result<json::Object> load_object(const std::filesystem::path& path) {
    TRY(const crypto::Secret text, internal::read_private_file(path));
    auto parsed = json::parse(as_text(text.view()), {.max_bytes = 64 * 1024, .max_depth = 8});
    if (!parsed || !parsed->is_object()) {
        return fail(corrupt(path, "not a key file"));
    }
    return std::move(parsed->get_object());
}

// The bytes of a key that is not encrypted.
Result<crypto::Secret> read_key(
    const std::filesystem::path& path, std::string_view type, json::Object& object) {
    const auto version = json::uint_member(object, "version");
    if (!version || *version == 0) {
        return fail(corrupt(path, "no format version"));
    }
    if (*version > kFormatVersion) {
        return fail(IdentityError::newer_version,
            path.string() + " has format " + std::to_string(*version) + ", this decloud knows " +
                std::to_string(kFormatVersion));
    }
    json::Value* const key = object.if_contains("key");
    if (json::string_member(object, "type") != type || key == nullptr || !key->is_string()) {
        return fail(corrupt(path, "not a key of type " + std::string(type)));
    }
    auto bytes = from_hex(key->get_string());
    crypto::wipe(
        {reinterpret_cast<std::uint8_t*>(key->get_string().data()), key->get_string().size()});
    if (!bytes) {
        return fail(corrupt(path, "the key is not hexadecimal"));
    }
    crypto::Secret out{BytesView(*bytes)};
    crypto::wipe(*bytes);
    return out;
}

Result<crypto::Secret> load(const std::filesystem::path& path, std::string_view type) {
    TRY(json::Object object, load_object(path));
    return read_key(path, type, object);
}

Result<crypto::Secp256k1PrivateKey> to_secp256k1(
    const std::filesystem::path& path, const Result<crypto::Secret>& secret) {
    if (!secret) {
        return fail(secret.error());
    }
    auto key = crypto::Secp256k1PrivateKey::from_bytes(secret->view());
    if (!key) {
        return fail(corrupt(path, key.error().message()));
    }
    return key;
}

// An account's file is one of three forms.
struct ExternalAccount {
    Address address;
    std::string url;
};
using StoredAccount = std::variant<crypto::Secp256k1PrivateKey, EncryptedKey, ExternalAccount>;

// The key of an account that a signer elsewhere holds.
std::unexpected<Error> not_here(std::string_view name, const ExternalAccount& account) {
    return fail(CommonError::unavailable, "the key of account " + std::string(name) +
                                              " is with the signer at " + account.url +
                                              ", and this needs it here");
}

Result<ExternalAccount> read_external(
    const std::filesystem::path& path, const json::Object& object) {
    const auto version = json::uint_member(object, "version");
    if (version && *version > kFormatVersion) {
        return fail(IdentityError::newer_version, path.string() + " has a newer format");
    }
    const auto text = json::string_member(object, "address");
    const auto url = json::string_member(object, "url");
    const auto address = text ? parse_address(*text) : Result<Address>(fail(text.error()));
    if (!version || !address || !url || url->empty()) {
        return fail(corrupt(path, "not an account of an external signer"));
    }
    return ExternalAccount{*address, *url};
}

Result<StoredAccount> load_account(const std::filesystem::path& path) {
    TRY(json::Object object, load_object(path));
    if (json::string_member(object, "type") == kExternal) {
        TRY(auto external, read_external(path, object));
        return external;
    }
    if (!is_encrypted_key(object)) {
        TRY(auto key, to_secp256k1(path, read_key(path, kSecp256k1, object)));
        return key;
    }
    auto key = EncryptedKey::from_json(object);
    if (!key) {
        return fail(corrupt(path, key.error().message()));
    }
    if (!key->address()) {
        return fail(corrupt(path, "it does not say whose key it is"));
    }
    return std::move(*key);
}

AccountEntry entry_of(std::string_view name, const StoredAccount& account) {
    if (const auto* const key = std::get_if<EncryptedKey>(&account)) {
        return {.name = std::string(name),
            .address = key->address().value_or(Address{}),
            .encrypted = true};
    }
    if (const auto* const external = std::get_if<ExternalAccount>(&account)) {
        return {.name = std::string(name),
            .address = external->address,
            .encrypted = false,
            .external = external->url};
    }
    return {.name = std::string(name),
        .address = std::get<crypto::Secp256k1PrivateKey>(account).address(),
        .encrypted = false};
}

bool is_missing(const Error& error) { return error == make_error_code(CommonError::not_found); }

// "rsa-7.pem" → 7.
std::optional<std::uint64_t> rsa_number(std::string_view name) {
    if (!name.starts_with("rsa-") || !name.ends_with(".pem")) {
        return std::nullopt;
    }
    name = name.substr(4, name.size() - 8);
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error != std::errc{} || end != name.data() + name.size()) {
        return std::nullopt;
    }
    return number;
}

/// Made if it is missing.
Result<crypto::Ed25519PrivateKey> open_ed25519(const std::filesystem::path& path) {
    auto seed = load(path, kEd25519);
    if (!seed && is_missing(seed.error())) {
        auto key = crypto::Ed25519PrivateKey::generate();
        TRY_VOID(save(path, kEd25519, key.seed()));
        return key;
    }
    if (!seed) {
        return fail(std::move(seed.error()));
    }
    auto key = crypto::Ed25519PrivateKey::from_seed(seed->view());
    if (!key) {
        return fail(corrupt(path, key.error().message()));
    }
    return key;
}

// Newest first.
Result<std::vector<std::uint64_t>> rsa_numbers(const std::filesystem::path& folder) {
    std::error_code error;
    std::vector<std::uint64_t> out;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
        if (const auto number = rsa_number(entry.path().filename().string())) {
            out.push_back(*number);
        }
    }
    if (error) {
        return fail(errno_error("read " + folder.string(), error.value()));
    }
    std::ranges::sort(out, std::greater{});
    return out;
}

std::string rsa_file(std::uint64_t number) { return "rsa-" + std::to_string(number) + ".pem"; }

}  // namespace

Result<KeyStore> KeyStore::open(std::filesystem::path folder, PassphraseSource passphrase) {
    TRY_VOID(internal::make_private_folder(folder));
    TRY_VOID(internal::make_private_folder(folder / "accounts"));
    TRY_VOID(internal::make_private_folder(folder / "node"));
    return KeyStore(std::move(folder), std::move(passphrase));
}

std::filesystem::path KeyStore::account_file(std::string_view name) const {
    return folder_ / "accounts" / (std::string(name) + ".json");
}

Result<crypto::Secp256k1PrivateKey> KeyStore::unlock(
    std::string_view name, const EncryptedKey& key) const {
    if (!passphrase_) {
        return fail(
            IdentityError::passphrase_required, "account " + std::string(name) + " is encrypted");
    }
    TRY(const crypto::Secret passphrase, passphrase_({.name = std::string(name),
                                             .address = key.address().value_or(Address{}),
                                             .encrypted = true}));
    auto opened = key.open(passphrase.view());
    if (!opened && opened.error() == make_error_code(CommonError::corrupt)) {
        return fail(corrupt(account_file(name), opened.error().detail()));
    }
    if (!opened) {
        return fail(opened.error().within("account " + std::string(name)));
    }
    return opened;
}

Result<crypto::Secp256k1PrivateKey> KeyStore::account(std::string_view name) const {
    TRY_VOID(check_name(name));
    TRY(StoredAccount stored, load_account(account_file(name)));
    if (const auto* const encrypted = std::get_if<EncryptedKey>(&stored)) {
        return unlock(name, *encrypted);
    }
    if (const auto* const external = std::get_if<ExternalAccount>(&stored)) {
        return not_here(name, *external);
    }
    return std::move(std::get<crypto::Secp256k1PrivateKey>(stored));
}

Result<AccountEntry> KeyStore::describe(std::string_view name) const {
    TRY_VOID(check_name(name));
    TRY(const StoredAccount stored, load_account(account_file(name)));
    return entry_of(name, stored);
}

Result<crypto::Secp256k1PrivateKey> KeyStore::create_account(std::string_view name) {
    auto key = crypto::Secp256k1PrivateKey::generate();
    TRY_VOID(import_account(name, key));
    return key;
}

Result<void> KeyStore::import_account(
    std::string_view name, const crypto::Secp256k1PrivateKey& key) {
    TRY_VOID(check_name(name));
    return internal::create_private_file(account_file(name), key_text(key).view());
}

Result<void> KeyStore::import_account(std::string_view name, const EncryptedKey& key) {
    TRY_VOID(check_name(name));
    if (!key.address()) {
        return fail(CommonError::invalid_input, "the encrypted key does not say whose it is");
    }
    return internal::create_private_file(account_file(name), as_bytes(key_text(key)));
}

Result<void> KeyStore::add_external_account(
    std::string_view name, const Address& address, std::string_view url) {
    TRY_VOID(check_name(name));
    const json::Object object{{"version", kFormatVersion}, {"type", kExternal},
        {"address", to_string(address)}, {"url", url}};
    return internal::create_private_file(
        account_file(name), as_bytes(json::to_text(object) + "\n"));
}

Result<EncryptedKey> KeyStore::encrypted_account(std::string_view name) const {
    TRY_VOID(check_name(name));
    TRY(StoredAccount stored, load_account(account_file(name)));
    auto* const key = std::get_if<EncryptedKey>(&stored);
    if (key == nullptr) {
        return fail(CommonError::not_found, "account " + std::string(name) + " is not encrypted");
    }
    return std::move(*key);
}

Result<void> KeyStore::encrypt_account(std::string_view name, BytesView passphrase) {
    TRY_VOID(check_name(name));
    TRY(const StoredAccount stored, load_account(account_file(name)));
    if (const auto* const external = std::get_if<ExternalAccount>(&stored)) {
        return not_here(name, *external);
    }
    const auto* const key = std::get_if<crypto::Secp256k1PrivateKey>(&stored);
    if (key == nullptr) {
        return fail(CommonError::already_exists,
            "account " + std::string(name) + " has a passphrase already");
    }
    TRY(const EncryptedKey sealed, EncryptedKey::seal(*key, passphrase));
    return internal::replace_private_file(account_file(name), as_bytes(key_text(sealed)));
}

Result<void> KeyStore::decrypt_account(std::string_view name) {
    TRY(const EncryptedKey encrypted, encrypted_account(name));
    TRY(const auto key, unlock(name, encrypted));
    return internal::replace_private_file(account_file(name), key_text(key).view());
}

Result<void> KeyStore::change_passphrase(std::string_view name, BytesView passphrase) {
    TRY(const EncryptedKey encrypted, encrypted_account(name));
    TRY(const auto key, unlock(name, encrypted));
    TRY(const EncryptedKey sealed, EncryptedKey::seal(key, passphrase));
    return internal::replace_private_file(account_file(name), as_bytes(key_text(sealed)));
}

Result<std::vector<AccountEntry>> KeyStore::accounts() const {
    std::error_code error;
    std::vector<AccountEntry> out;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "accounts", error)) {
        if (entry.path().extension() != ".json") {
            continue;
        }
        const std::string name = entry.path().stem().string();
        TRY(AccountEntry found, describe(name));
        out.push_back(std::move(found));
    }
    if (error) {
        return fail(errno_error("read " + (folder_ / "accounts").string(), error.value()));
    }
    std::ranges::sort(out, {}, &AccountEntry::name);
    return out;
}

Result<crypto::Ed25519PrivateKey> KeyStore::node_identity() {
    return open_ed25519(folder_ / "node" / "identity.json");
}

Result<crypto::Ed25519PrivateKey> open_ipns_key(
    const std::filesystem::path& key_store, std::string_view name) {
    TRY_VOID(check_name(name));
    TRY_VOID(internal::make_private_folder(key_store / "ipns"));
    return open_ed25519(key_store / "ipns" / (std::string(name) + ".json"));
}

Result<crypto::Ed25519PrivateKey> KeyStore::rotate_node_identity() {
    auto key = crypto::Ed25519PrivateKey::generate();
    TRY_VOID(internal::replace_private_file(
        folder_ / "node" / "identity.json", key_text(kEd25519, "", key.seed()).view()));
    return key;
}

Result<crypto::Secp256k1PrivateKey> KeyStore::settler() {
    const auto path = folder_ / "node" / "settler.json";
    auto key = to_secp256k1(path, load(path, kSecp256k1));
    if (!key && is_missing(key.error())) {
        auto made = crypto::Secp256k1PrivateKey::generate();
        TRY_VOID(internal::create_private_file(path, key_text(made).view()));
        return made;
    }
    return key;
}

Result<std::vector<crypto::RsaPrivateKey>> KeyStore::rsa_keys() {
    const auto folder = folder_ / "node";
    TRY(auto numbers, rsa_numbers(folder));
    if (numbers.empty()) {
        TRY_VOID(rotate_rsa_key());
        TRY(numbers, rsa_numbers(folder));
    }
    std::vector<crypto::RsaPrivateKey> out;
    for (const std::uint64_t number : numbers) {
        const auto path = folder / rsa_file(number);
        TRY(const crypto::Secret pem, internal::read_private_file(path));
        auto key = crypto::RsaPrivateKey::from_pem(pem.view());
        if (!key) {
            return fail(corrupt(path, key.error().message()));
        }
        out.push_back(std::move(*key));
    }
    return out;
}

Result<void> KeyStore::rotate_rsa_key() {
    const auto folder = folder_ / "node";
    TRY(const auto numbers, rsa_numbers(folder));
    const std::uint64_t next = numbers.empty() ? 1 : numbers.front() + 1;
    const crypto::Secret pem = crypto::RsaPrivateKey::generate().to_pem();
    return internal::create_private_file(folder / rsa_file(next), pem.view());
}

Result<crypto::Secret> KeyStore::mac_key(std::string_view name) {
    TRY_VOID(check_name(name));
    const auto path = folder_ / "node" / ("mac-" + std::string(name) + ".json");
    auto key = load(path, kMac);
    if (!key && is_missing(key.error())) {
        crypto::Secret made = crypto::Secret::random(32);
        TRY_VOID(save(path, kMac, made.view()));
        return made;
    }
    if (key && key->size() != 32) {
        return fail(corrupt(path, "a MAC key is 32 bytes long"));
    }
    return key;
}

Result<void> KeyStore::replace_mac_key(std::string_view name, const crypto::Secret& key) {
    TRY_VOID(check_name(name));
    if (key.size() != 32) {
        return fail(CommonError::invalid_input, "a MAC key is 32 bytes long");
    }
    return internal::replace_private_file(folder_ / "node" / ("mac-" + std::string(name) + ".json"),
        key_text(kMac, "", key.view()).view());
}

bool is_development_key(const Address& address) {
    static const std::vector<Address> known = [] {
        std::vector<Address> out;
        out.reserve(kDevelopmentKeys.size());
        for (std::size_t i = 0; i < kDevelopmentKeys.size(); ++i) {
            out.push_back(development_key(i)->address());
        }
        return out;
    }();
    return std::ranges::find(known, address) != known.end();
}

Result<crypto::Secp256k1PrivateKey> development_key(std::size_t index) {
    if (index >= kDevelopmentKeys.size()) {
        return fail(CommonError::invalid_input, "there are ten development keys, 0 to 9");
    }
    TRY(const Bytes bytes, from_hex(kDevelopmentKeys[index]));
    return crypto::Secp256k1PrivateKey::from_bytes(bytes);
}

}  // namespace decloud::identity
