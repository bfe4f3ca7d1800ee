#include "keystore.hpp"

#include <decloud/base/encoding.hpp>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace decloud::identity {
namespace {

class KeyStoreTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "keystore-XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        folder = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(folder); }

    KeyStore open() { return KeyStore::open(folder / "keys").value(); }
    KeyStore open_with(std::string passphrase) {
        return KeyStore::open(folder / "keys", [passphrase](const AccountEntry&) {
            return crypto::Secret(as_bytes(std::string_view(passphrase)));
        }).value();
    }
    /// Under a weak derivation, which is quick.
    static EncryptedKey quick(const crypto::Secp256k1PrivateKey& key, std::string_view passphrase) {
        return EncryptedKey::seal(key, as_bytes(passphrase), {.n = 16}).value();
    }
    std::string text_of(const std::string& name) {
        std::ifstream file(folder / "keys" / "accounts" / (name + ".json"));
        return {std::istreambuf_iterator<char>(file), {}};
    }

    std::filesystem::path folder;
};

TEST_F(KeyStoreTest, KeepsAccounts) {
    const Address address = open().create_account("owner")->address();
    EXPECT_EQ(open().account("owner")->address(), address);
    ASSERT_TRUE(open().import_account("dev", *development_key(1)));
    const auto all = open().accounts();
    ASSERT_TRUE(all);
    ASSERT_EQ(all->size(), 2);
    EXPECT_EQ((*all)[0].name, "dev");
    EXPECT_EQ((*all)[1].address, address);
}

TEST_F(KeyStoreTest, NeverOverwritesAnAccount) {
    KeyStore store = open();
    const Address address = store.create_account("owner")->address();
    EXPECT_EQ(store.create_account("owner").error(), make_error_code(CommonError::already_exists));
    EXPECT_EQ(store.account("owner")->address(), address);
}

TEST_F(KeyStoreTest, SaysWhatIsMissing) {
    EXPECT_EQ(open().account("nobody").error(), make_error_code(CommonError::not_found));
}

TEST_F(KeyStoreTest, KeepsTheNodesKeys) {
    const auto identity = open().node_identity()->public_key();
    EXPECT_EQ(open().node_identity()->public_key(), identity);
    const auto settler = open().settler()->address();
    EXPECT_EQ(open().settler()->address(), settler);
    const Bytes mac = to_bytes(open().mac_key("receipts")->view());
    EXPECT_EQ(to_bytes(open().mac_key("receipts")->view()), mac);
    EXPECT_NE(to_bytes(open().mac_key("nonces")->view()), mac);
}

TEST_F(KeyStoreTest, KeepsRetiredRsaKeys) {
    const std::string first = open().rsa_keys()->front().public_key().key_id();
    ASSERT_TRUE(open().rotate_rsa_key());
    const auto keys = open().rsa_keys();
    ASSERT_TRUE(keys);
    ASSERT_EQ(keys->size(), 2);
    EXPECT_NE((*keys)[0].public_key().key_id(), first);
    EXPECT_EQ((*keys)[1].public_key().key_id(), first);
}

TEST_F(KeyStoreTest, MakesFilesThatOnlyWeCanRead) {
    (void)open().create_account("owner");
    (void)open().node_identity();
    int files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        struct stat status{};
        ASSERT_EQ(stat(entry.path().c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 0777U, entry.is_directory() ? 0700U : 0600U) << entry.path();
        files += entry.is_regular_file() ? 1 : 0;
    }
    EXPECT_EQ(files, 2);
}

TEST_F(KeyStoreTest, RefusesFilesThatOthersCanRead) {
    KeyStore store = open();
    (void)store.create_account("owner");
    const auto file = folder / "keys" / "accounts" / "owner.json";
    ASSERT_EQ(chmod(file.c_str(), 0640), 0);
    EXPECT_EQ(store.account("owner").error(), make_error_code(IdentityError::unsafe_permissions));
    ASSERT_EQ(chmod((folder / "keys").c_str(), 0755), 0);
    EXPECT_EQ(KeyStore::open(folder / "keys").error(),
        make_error_code(IdentityError::unsafe_permissions));
}

TEST_F(KeyStoreTest, RefusesLinks) {
    KeyStore store = open();
    (void)store.create_account("owner");
    const auto accounts = folder / "keys" / "accounts";
    std::filesystem::create_symlink(accounts / "owner.json", accounts / "link.json");
    EXPECT_EQ(store.account("link").error(), make_error_code(IdentityError::unsafe_permissions));
}

TEST_F(KeyStoreTest, RefusesNewerAndDamagedFilesByName) {
    KeyStore store = open();
    (void)store.create_account("owner");
    const auto file = folder / "keys" / "accounts" / "owner.json";
    std::ofstream(file) << R"({"version":2,"type":"secp256k1","key":"00"})";
    const auto newer = store.account("owner");
    EXPECT_EQ(newer.error(), make_error_code(IdentityError::newer_version));
    EXPECT_NE(newer.error().message().find("owner.json"), std::string::npos);
    for (const char* const text : {"", "{", R"({"version":1,"type":"secp256k1","key":"00"})",
             R"({"version":1,"type":"ed25519","key":"00"})", R"({"type":"secp256k1"})"}) {
        std::ofstream(file) << text;
        const auto damaged = store.account("owner");
        EXPECT_EQ(damaged.error(), make_error_code(CommonError::corrupt)) << text;
        EXPECT_NE(damaged.error().message().find("owner.json"), std::string::npos);
    }
}

TEST_F(KeyStoreTest, OpensAnEncryptedAccountWithItsPassphrase) {
    const auto key = crypto::Secp256k1PrivateKey::generate();
    ASSERT_TRUE(open().import_account("owner", quick(key, "open")));
    EXPECT_EQ(open_with("open").account("owner")->address(), key.address());
    const auto wrong = open_with("shut").account("owner");
    EXPECT_EQ(wrong.error(), make_error_code(IdentityError::wrong_passphrase));
    EXPECT_NE(wrong.error().message().find("owner"), std::string::npos);
    EXPECT_EQ(open().account("owner").error(), make_error_code(IdentityError::passphrase_required));
}

TEST_F(KeyStoreTest, PassesOnWhyThereIsNoPassphrase) {
    ASSERT_TRUE(
        open().import_account("owner", quick(crypto::Secp256k1PrivateKey::generate(), "open")));
    const KeyStore store = KeyStore::open(folder / "keys", [](const AccountEntry& account) {
        EXPECT_EQ(account.name, "owner");
        return Result<crypto::Secret>(fail(CommonError::cancelled));
    }).value();
    EXPECT_EQ(store.account("owner").error(), make_error_code(CommonError::cancelled));
}

TEST_F(KeyStoreTest, KnowsAnEncryptedAccountWithoutItsPassphrase) {
    const auto key = crypto::Secp256k1PrivateKey::generate();
    ASSERT_TRUE(open().import_account("hidden", quick(key, "open")));
    ASSERT_TRUE(open().create_account("plain"));
    EXPECT_EQ(open().describe("hidden")->address, key.address());
    const auto all = open().accounts();
    ASSERT_TRUE(all);
    ASSERT_EQ(all->size(), 2);
    EXPECT_TRUE((*all)[0].encrypted);
    EXPECT_EQ((*all)[0].address, key.address());
    EXPECT_FALSE((*all)[1].encrypted);
}

TEST_F(KeyStoreTest, EncryptsAndDecryptsAnAccountInPlace) {
    const auto key = crypto::Secp256k1PrivateKey::generate();
    const std::string hex = to_hex(key.secret_bytes());
    ASSERT_TRUE(open().import_account("owner", key));
    EXPECT_NE(text_of("owner").find(hex), std::string::npos);
    ASSERT_TRUE(open().encrypt_account("owner", as_bytes(std::string_view("open"))));
    EXPECT_EQ(text_of("owner").find(hex), std::string::npos);
    EXPECT_EQ(open_with("open").account("owner")->address(), key.address());
    EXPECT_EQ(open().encrypt_account("owner", as_bytes(std::string_view("again"))).error(),
        make_error_code(CommonError::already_exists));
    EXPECT_EQ(open_with("shut").decrypt_account("owner").error(),
        make_error_code(IdentityError::wrong_passphrase));
    ASSERT_TRUE(open_with("open").decrypt_account("owner"));
    EXPECT_EQ(open().account("owner")->address(), key.address());
    EXPECT_EQ(open_with("open").decrypt_account("owner").error(),
        make_error_code(CommonError::not_found));
    struct stat status{};
    ASSERT_EQ(stat((folder / "keys" / "accounts" / "owner.json").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(KeyStoreTest, OverwritesTheKeyThatItEncrypts) {
    const auto key = crypto::Secp256k1PrivateKey::generate();
    ASSERT_TRUE(open().import_account("owner", key));
    // A second name keeps the old file's blocks in sight.
    const auto accounts = folder / "keys" / "accounts";
    std::filesystem::create_hard_link(accounts / "owner.json", accounts / "old.json");
    ASSERT_TRUE(open().encrypt_account("owner", as_bytes(std::string_view("open"))));
    const std::string old = text_of("old");
    EXPECT_FALSE(old.empty());
    EXPECT_EQ(old.find_first_not_of('\0'), std::string::npos);
}

TEST_F(KeyStoreTest, NeverOverwritesAnAccountWithAnEncryptedOne) {
    const Address address = open().create_account("owner")->address();
    EXPECT_EQ(
        open().import_account("owner", quick(crypto::Secp256k1PrivateKey::generate(), "x")).error(),
        make_error_code(CommonError::already_exists));
    EXPECT_EQ(open().account("owner")->address(), address);
}

TEST_F(KeyStoreTest, RefusesADamagedEncryptedFileByName) {
    ASSERT_TRUE(
        open().import_account("owner", quick(crypto::Secp256k1PrivateKey::generate(), "open")));
    const std::string good = text_of("owner");
    for (const char* const member : {"\"address\"", "\"ciphertext\"", "\"kdf\"", "\"version\""}) {
        std::string bad = good;
        bad[bad.find(member) + 1] = 'x';
        std::ofstream(folder / "keys" / "accounts" / "owner.json") << bad;
        const auto damaged = open_with("open").account("owner");
        EXPECT_EQ(damaged.error(), make_error_code(CommonError::corrupt)) << member;
        EXPECT_NE(damaged.error().message().find("owner.json"), std::string::npos);
    }
}

TEST_F(KeyStoreTest, ChangesAPassphraseAndNothingElse) {
    const auto key = crypto::Secp256k1PrivateKey::generate();
    ASSERT_TRUE(open().import_account("owner", quick(key, "old")));
    const std::string before = text_of("owner");
    EXPECT_EQ(
        open_with("wrong").change_passphrase("owner", as_bytes(std::string_view("new"))).error(),
        make_error_code(IdentityError::wrong_passphrase));
    EXPECT_EQ(text_of("owner"), before);
    ASSERT_TRUE(open_with("old").change_passphrase("owner", as_bytes(std::string_view("new"))));
    EXPECT_EQ(open_with("new").account("owner").value().address(), key.address());
    EXPECT_FALSE(open_with("old").account("owner"));
    ASSERT_TRUE(open().create_account("plain"));
    EXPECT_EQ(open().change_passphrase("plain", as_bytes(std::string_view("new"))).error(),
        make_error_code(CommonError::not_found));
}

TEST_F(KeyStoreTest, KnowsAccountsWhoseKeysAreElsewhere) {
    const Address address = crypto::Secp256k1PrivateKey::generate().address();
    KeyStore store = open();
    ASSERT_TRUE(store.add_external_account("cold", address, "http://127.0.0.1:8550"));
    EXPECT_EQ(store.add_external_account("cold", address, "http://127.0.0.1:8550").error(),
        make_error_code(CommonError::already_exists));
    const AccountEntry found = store.describe("cold").value();
    EXPECT_EQ(found.address, address);
    EXPECT_EQ(found.external, "http://127.0.0.1:8550");
    EXPECT_FALSE(found.encrypted);
    EXPECT_EQ(store.accounts().value().size(), 1U);
    EXPECT_EQ(store.account("cold").error(), make_error_code(CommonError::unavailable));
    EXPECT_FALSE(store.encrypt_account("cold", as_bytes(std::string_view("x"))));
    EXPECT_FALSE(store.decrypt_account("cold"));
    std::ofstream(folder / "keys" / "accounts" / "cold.json")
        << R"({"version":1,"type":"external","address":"0x12","url":"http://x"})";
    EXPECT_EQ(store.describe("cold").error(), make_error_code(CommonError::corrupt));
}

TEST_F(KeyStoreTest, ReplacesTheIdentityKey) {
    KeyStore store = open();
    const auto first = store.node_identity().value().public_key();
    const auto second = store.rotate_node_identity().value().public_key();
    EXPECT_NE(first, second);
    EXPECT_EQ(open().node_identity().value().public_key(), second);
}

TEST_F(KeyStoreTest, RefusesNamesThatLeaveTheFolder) {
    KeyStore store = open();
    for (const std::string_view name : {"", "../x", "a/b", "A", "a.b", "a b"}) {
        EXPECT_FALSE(store.create_account(name)) << name;
        EXPECT_FALSE(store.mac_key(name)) << name;
    }
}

TEST(DevelopmentKeys, AreThePublishedOnes) {
    EXPECT_EQ(
        to_string(development_key(0)->address()), "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266");
    EXPECT_EQ(
        to_string(development_key(1)->address()), "0x70997970c51812dc3a010c7d01b50e0d17dc79c8");
    EXPECT_EQ(
        to_string(development_key(9)->address()), "0xa0ee7a142d267c1f36714e4a8f75612f20a79720");
    EXPECT_FALSE(development_key(10));
    for (std::size_t i = 0; i < 10; ++i) {
        EXPECT_TRUE(is_development_key(development_key(i)->address()));
    }
    EXPECT_FALSE(is_development_key(crypto::Secp256k1PrivateKey::generate().address()));
}

}  // namespace
}  // namespace decloud::identity
