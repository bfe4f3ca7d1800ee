#include <decloud/base/json.hpp>
#include <decloud/identity/jwe.hpp>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

namespace decloud {
namespace {

std::string read(const char* path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

int complain(const std::string& problem) {
    std::cerr << problem << "\n";
    return 1;
}

int put(std::string_view text) {
    return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? 0 : 1;
}

int encrypt(const char* plaintext, const std::vector<const char*>& jwks) {
    std::vector<crypto::RsaPublicKey> recipients;
    for (const char* const path : jwks) {
        auto key = crypto::RsaPublicKey::from_jwk(read(path));
        if (!key) {
            return complain(key.error().message());
        }
        recipients.push_back(std::move(*key));
    }
    const auto jwe = identity::encrypt_jwe(as_bytes(read(plaintext)), recipients);
    return jwe ? put(*jwe) : complain(jwe.error().message());
}

int decrypt(const char* jwe_path, const char* key_path) {
    const auto key = crypto::RsaPrivateKey::from_pem(as_bytes(read(key_path)));
    if (!key) {
        return complain(key.error().message());
    }
    const auto jwe = identity::Jwe::parse(read(jwe_path));
    if (!jwe) {
        return complain(jwe.error().message());
    }
    const auto plaintext = jwe->decrypt(*key);
    return plaintext ? put(as_text(*plaintext)) : complain(plaintext.error().message());
}

int thumbprint(const char* jwk) {
    const auto key = crypto::RsaPublicKey::from_jwk(read(jwk));
    return key ? put(key->key_id()) : complain(key.error().message());
}

int run(int argc, char** argv) {
    const std::vector<const char*> words(argv, argv + argc);
    const std::string verb = argc > 1 ? words[1] : "";
    if (verb == "encrypt" && argc > 3) {
        return encrypt(words[2], {words.begin() + 3, words.end()});
    }
    if (verb == "decrypt" && argc == 4) {
        return decrypt(words[2], words[3]);
    }
    if (verb == "thumbprint" && argc == 3) {
        return thumbprint(words[2]);
    }
    return complain(
        "usage: jwe_tool encrypt PLAINTEXT JWK... | decrypt JWE KEY.pem | thumbprint JWK");
}

}  // namespace
}  // namespace decloud

int main(int argc, char** argv) { return decloud::run(argc, argv); }
