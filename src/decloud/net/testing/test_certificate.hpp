#pragma once

#include <decloud/base/testing/temporary_folder.hpp>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <string>

namespace decloud::net::testing {

/// A certificate for "localhost" and "node.test" that signs itself, with its key, in files while
/// this lives.
class Certificate {
  private:
    TemporaryFolder folder_;

  public:
    Certificate()
        : path((folder_.path() / "certificate.pem").string()),
          key_path((folder_.path() / "key.pem").string()),
          key(EVP_EC_gen("P-256"), EVP_PKEY_free),
          certificate(X509_new(), X509_free) {
        X509* x509 = certificate.get();
        X509_set_version(x509, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
        X509_gmtime_adj(X509_getm_notBefore(x509), -60);
        X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
        X509_set_pubkey(x509, key.get());
        X509_NAME* name = X509_get_subject_name(x509);
        X509_NAME_add_entry_by_txt(
            name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
        X509_set_issuer_name(x509, name);
        X509_EXTENSION* names = X509V3_EXT_conf_nid(
            nullptr, nullptr, NID_subject_alt_name, "DNS:localhost,DNS:node.test");
        X509_add_ext(x509, names, -1);
        X509_EXTENSION_free(names);
        X509_sign(x509, key.get(), EVP_sha256());
        std::FILE* file = std::fopen(path.c_str(), "w");
        PEM_write_X509(file, x509);
        (void)std::fclose(file);
        file = std::fopen(key_path.c_str(), "w");
        PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
        (void)std::fclose(file);
    }
    Certificate(const Certificate&) = delete;
    Certificate& operator=(const Certificate&) = delete;

    std::string path;
    std::string key_path;
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key;
    std::unique_ptr<X509, decltype(&X509_free)> certificate;
};

}  // namespace decloud::net::testing
