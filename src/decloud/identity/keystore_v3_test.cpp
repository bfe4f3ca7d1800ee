#include "keystore_v3.hpp"

#include <decloud/base/encoding.hpp>

#include <gtest/gtest.h>

#include <string>

namespace decloud::identity {
namespace {

// The test vectors of the Web3 Secret Storage Definition.
constexpr std::string_view kPbkdf2Vector = R"({"crypto":{"cipher":"aes-128-ctr",
    "cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
    "ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
    "kdf":"pbkdf2","kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256",
    "salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
    "mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
    "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3})";
constexpr std::string_view kScryptVector = R"({"crypto":{"cipher":"aes-128-ctr",
    "cipherparams":{"iv":"83dbcc02d8ccb40e466191a123791e0e"},
    "ciphertext":"d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
    "kdf":"scrypt","kdfparams":{"dklen":32,"n":262144,"p":8,"r":1,
    "salt":"ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"},
    "mac":"2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"},
    "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3})";
constexpr std::string_view kVectorPassphrase = "testpassword";
constexpr std::string_view kVectorSecret =
    "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";
constexpr std::string_view kVectorAddress = "0x008aeeda4d805471df9b2a5b0f38a0c3bcba786b";
// Weak on purpose: what is tested does not depend on the strength.
constexpr ScryptParameters kQuick{.n = 16, .r = 8, .p = 1};

std::string replaced(std::string_view text, std::string_view what, std::string_view with) {
    std::string out(text);
    const std::size_t at = out.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    return out.replace(at, what.size(), with);
}

TEST(EncryptedKey, OpensTheVectorsOfTheDefinition) {
    for (const std::string_view vector : {kPbkdf2Vector, kScryptVector}) {
        const auto encrypted = EncryptedKey::parse(vector);
        ASSERT_TRUE(encrypted) << encrypted.error().message();
        const auto key = encrypted->open(as_bytes(kVectorPassphrase));
        ASSERT_TRUE(key) << key.error().message();
        EXPECT_EQ(to_hex(key->secret_bytes()), kVectorSecret);
        EXPECT_EQ(to_string(key->address()), kVectorAddress);
    }
}

// From npm's @ethersproject/testcases 5.8.0, wallets.json: "life" and "parity".
TEST(EncryptedKey, OpensWhatOtherProgramsWrote) {
    const auto ethers = EncryptedKey::parse(
        R"({"address":"17c5185167401ed00cf5f5b2fc97d9bbfdb7d025",
        "id":"01234567-8901-4345-a789-012345678901","version":3,"Crypto":{"cipher":"aes-128-ctr",
        "cipherparams":{"iv":"deadbeef1deadbeef2deadbeef301234"},
        "ciphertext":"cea502df4b9405fa2b6d8d19ec4e2953c5ce08e0e01d4c0292512ce62baef8f3",
        "kdf":"scrypt","kdfparams":{"salt":"abcd1abcd2abcd3abcd4abcd5abcd6ef","n":1024,"dklen":32,
        "p":2,"r":4},
        "mac":"6e0a8e2409261d464e35a251f4b1fddd6ad0f7045a18d3957c127387f1c0de72"}})");
    ASSERT_TRUE(ethers) << ethers.error().message();
    const auto key = ethers->open(as_bytes(std::string_view("foo")));
    ASSERT_TRUE(key) << key.error().message();
    EXPECT_EQ(to_hex(key->secret_bytes()),
        "4242424242424242424242424242424242424242424242424242424242424242");
    const auto parity = EncryptedKey::parse(
        R"({"id":"a9b7570b-fd36-8a32-f4ea-26080a941143","version":3,"crypto":{
        "cipher":"aes-128-ctr","cipherparams":{"iv":"1de99c07c6592eaac911ae9cf07db88d"},
        "ciphertext":"951ca34a268314c0cde0409566bcac4d4907dc87f34764fe8542786415cb5726",
        "kdf":"pbkdf2","kdfparams":{"c":10240,"dklen":32,"prf":"hmac-sha256",
        "salt":"7d2ebe49878f15e031bcdf9f0be47e7d49542252145850b7862a08a0c209a0e9"},
        "mac":"dc595787a3d08d98e2d808a981b8e9566d8ed1087c0257481ffc1196e13d8c0a"},
        "address":"00a329c0648769a73afac7f9381e08fb43dbea72","name":"Blank",
        "meta":"{\"passwordHint\":\"\"}"})");
    ASSERT_TRUE(parity) << parity.error().message();
    EXPECT_EQ(to_hex(parity->open({})->secret_bytes()),
        "4d5db4107d237df6a3d58ee5f70ae63d73d7658d4026f2eefd2f204c81682cb7");
}

TEST(EncryptedKey, OpensOnlyWithItsPassphrase) {
    const auto key = crypto::Secp256k1PrivateKey::generate();
    const auto encrypted = EncryptedKey::seal(key, as_bytes(std::string_view("grüße")), kQuick);
    ASSERT_TRUE(encrypted);
    EXPECT_EQ(encrypted->open(as_bytes(std::string_view("grüße")))->address(), key.address());
    for (const std::string& wrong : {std::string(), std::string("gruesse"), std::string("grüße "),
             std::string(kMaxPassphrase + 1, 'x')}) {
        EXPECT_EQ(encrypted->open(as_bytes(std::string_view(wrong))).error(),
            make_error_code(IdentityError::wrong_passphrase));
    }
}

TEST(EncryptedKey, SurvivesBeingWrittenAndRead) {
    const auto key = crypto::Secp256k1PrivateKey::generate();
    const auto made = EncryptedKey::seal(key, as_bytes(kVectorPassphrase), kQuick);
    ASSERT_TRUE(made);
    const auto read = EncryptedKey::parse(json::to_text(made->to_json()));
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(*read, *made);
    EXPECT_EQ(read->address(), key.address());
    EXPECT_EQ(read->derivation(), KeyDerivation(kQuick));
    const auto vector = EncryptedKey::parse(kPbkdf2Vector);
    EXPECT_EQ(EncryptedKey::parse(json::to_text(vector->to_json())), *vector);
}

TEST(EncryptedKey, IsDifferentEachTime) {
    const auto key = crypto::Secp256k1PrivateKey::generate();
    const auto first = EncryptedKey::seal(key, as_bytes(kVectorPassphrase), kQuick)->to_json();
    const auto second = EncryptedKey::seal(key, as_bytes(kVectorPassphrase), kQuick)->to_json();
    EXPECT_NE(first.at("id"), second.at("id"));
    for (const char* const member : {"ciphertext", "mac", "cipherparams", "kdfparams"}) {
        EXPECT_NE(first.at("crypto").at(member), second.at("crypto").at(member)) << member;
    }
}

TEST(EncryptedKey, DoesNotHoldTheKeyInTheClear) {
    const auto key = crypto::Secp256k1PrivateKey::generate();
    const auto made = EncryptedKey::seal(key, as_bytes(kVectorPassphrase), kQuick);
    const std::string text = json::to_text(made->to_json());
    EXPECT_EQ(text.find(to_hex(key.secret_bytes())), std::string::npos);
    EXPECT_EQ(text.find(kVectorPassphrase), std::string::npos);
}

TEST(EncryptedKey, NoticesAnyChange) {
    const auto key = crypto::Secp256k1PrivateKey::generate();
    const auto made = EncryptedKey::seal(key, as_bytes(kVectorPassphrase), kQuick);
    const std::string text = json::to_text(made->to_json());
    for (const std::string_view member : {"ciphertext", "salt", "mac"}) {
        std::string changed = text;
        char& digit =
            changed[changed.find("\"" + std::string(member) + "\":\"") + member.size() + 4];
        digit = digit == '0' ? '1' : '0';
        EXPECT_EQ(EncryptedKey::parse(changed)->open(as_bytes(kVectorPassphrase)).error(),
            make_error_code(IdentityError::wrong_passphrase))
            << member;
    }
    // The definition's MAC leaves out the vector and the address; the address tells.
    for (const std::string_view member : {"iv", "address"}) {
        std::string changed = text;
        char& digit =
            changed[changed.find("\"" + std::string(member) + "\":\"") + member.size() + 4];
        digit = digit == '0' ? '1' : '0';
        EXPECT_EQ(EncryptedKey::parse(changed)->open(as_bytes(kVectorPassphrase)).error(),
            make_error_code(CommonError::corrupt))
            << member;
    }
}

TEST(EncryptedKey, TakesWhatOtherProgramsWrite) {
    EXPECT_TRUE(EncryptedKey::parse(replaced(kPbkdf2Vector, "\"crypto\"", "\"Crypto\"")));
    EXPECT_TRUE(EncryptedKey::parse(
        replaced(kPbkdf2Vector, "\"version\":3", R"("version":3,"x-other":{"a":[1]})")));
    EXPECT_FALSE(
        EncryptedKey::parse(replaced(kPbkdf2Vector, "{\"crypto\"", R"({"address":"","crypto")"))
            ->address());
    EXPECT_EQ(EncryptedKey::parse(
                  replaced(kPbkdf2Vector, "{\"crypto\"",
                      R"({"address":"0x008AEEDA4D805471DF9B2A5B0F38A0C3BCBA786B","crypto")"))
                  ->address(),
        parse_address(kVectorAddress).value());
}

TEST(EncryptedKey, RefusesWhatIsNotOne) {
    for (const std::string_view text : {"", "{", "[]", "{}", R"({"version":3})",
             R"({"version":3,"crypto":{}})", R"({"version":3,"crypto":[]})"}) {
        EXPECT_EQ(EncryptedKey::parse(text).error(), make_error_code(CommonError::invalid_input))
            << text;
    }
    struct Change {
        std::string_view what;
        std::string_view with;
    };
    for (const auto& [what, with] : {Change{"\"version\":3", "\"version\":1"},
             Change{"\"version\":3", "\"version\":\"3\""}, Change{"aes-128-ctr", "aes-128-cbc"},
             Change{"hmac-sha256", "hmac-sha1"}, Change{"\"pbkdf2\"", "\"argon2id\""},
             Change{"\"pbkdf2\"", "\"scrypt\""}, Change{"\"dklen\":32", "\"dklen\":64"},
             Change{"\"dklen\":32", "\"dklen\":16"}, Change{"262144", "0"}, Change{"262144", "-1"},
             Change{"262144", "1.5"}, Change{"6087", "87"}, Change{"5318", "18"},
             Change{"5318", "535318"}, Change{"517e", "zz7e"}, Change{"ae3c", "e3c"},
             Change{"{\"crypto\"", R"({"address":"00","crypto")"},
             Change{"{\"crypto\"", R"({"Crypto":{},"crypto")"},
             Change{"\"version\"", R"("version":3,"version")"}}) {
        EXPECT_EQ(EncryptedKey::parse(replaced(kPbkdf2Vector, what, with)).error(),
            make_error_code(CommonError::invalid_input))
            << what << " -> " << with;
    }
    EXPECT_FALSE(EncryptedKey::parse(std::string(kMaxEncryptedKeyFile + 1, ' ')));
}

TEST(EncryptedKey, RefusesWhatWouldTakeTooMuchMemoryOrTime) {
    const auto scrypt = [](std::string_view n, std::string_view r, std::string_view p) {
        return EncryptedKey::parse(replaced(kScryptVector, R"("n":262144,"p":8,"r":1)",
            R"("n":)" + std::string(n) + R"(,"p":)" + std::string(p) + R"(,"r":)" +
                std::string(r)));
    };
    EXPECT_TRUE(scrypt("524288", "8", "1"));
    for (const auto& refused : {scrypt("1048576", "8", "1"), scrypt("262144", "32", "1"),
             scrypt("262144", "8", "1000"), scrypt("2", "1", "16777217"),
             scrypt("2", "16777216", "1"), scrypt("9223372036854775808", "1", "1"),
             scrypt("262144", "4294967296", "1"), scrypt("262144", "8", "18446744073709551615")}) {
        EXPECT_EQ(refused.error(), make_error_code(CommonError::limit_exceeded));
    }
    for (const auto& refused : {scrypt("0", "8", "1"), scrypt("1", "8", "1"),
             scrypt("262143", "8", "1"), scrypt("2", "0", "1"), scrypt("2", "1", "0"),
             scrypt("2", "257", "1"), scrypt("2", "1", "129")}) {
        EXPECT_EQ(refused.error(), make_error_code(CommonError::invalid_input));
    }
    EXPECT_EQ(EncryptedKey::parse(replaced(kPbkdf2Vector, "262144", "10000001")).error(),
        make_error_code(CommonError::limit_exceeded));
}

TEST(EncryptedKey, IsNotMadeWithoutAPassphraseOrBeyondTheLimits) {
    const auto key = crypto::Secp256k1PrivateKey::generate();
    EXPECT_EQ(
        EncryptedKey::seal(key, {}, kQuick).error(), make_error_code(CommonError::invalid_input));
    const std::string long_one(kMaxPassphrase + 1, 'x');
    EXPECT_EQ(EncryptedKey::seal(key, as_bytes(std::string_view(long_one)), kQuick).error(),
        make_error_code(CommonError::invalid_input));
    EXPECT_EQ(EncryptedKey::seal(key, as_bytes(kVectorPassphrase), {.n = 1U << 22U}).error(),
        make_error_code(CommonError::limit_exceeded));
}

}  // namespace
}  // namespace decloud::identity
