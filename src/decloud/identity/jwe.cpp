#include "jwe.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>
#include <decloud/crypto/random.hpp>
#include <decloud/crypto/secret.hpp>

#include <algorithm>
#include <optional>

namespace decloud::identity {

namespace {

constexpr std::string_view kEncryption = "A256GCM";
constexpr std::string_view kKeyAlgorithm = "RSA-OAEP-256";
constexpr std::size_t kMaxHeader = 16 * 1024;
/// Each costs an RSA operation, and whoever wrote it may have put the same key there often.
constexpr std::size_t kMostTried = 8;

std::unexpected<Error> refuse(std::string why) {
    return fail(CommonError::invalid_input, "JWE: " + std::move(why));
}

Result<Bytes> binary_member(const json::Object& object, std::string_view name) {
    TRY(const std::string text, json::string_member(object, name));
    return from_base64url(text);
}

Result<json::Object> optional_object(const json::Object& object, std::string_view name) {
    const json::Value* const value = object.if_contains(name);
    if (value == nullptr) {
        return json::Object{};
    }
    if (!value->is_object()) {
        return refuse(std::string(name) + " must be an object");
    }
    return value->get_object();
}

// RFC 7516 §4: the union of the headers; a name may stand in one of them only.
Result<void> merge(json::Object& into, const json::Object& from) {
    for (const auto& member : from) {
        if (!into.emplace(member.key(), member.value()).second) {
            return refuse("the header " + std::string(member.key()) + " is there twice");
        }
    }
    return {};
}

std::optional<std::string> text_of(const json::Object& header, std::string_view name) {
    const json::Value* const value = header.if_contains(name);
    if (value == nullptr || !value->is_string()) {
        return std::nullopt;
    }
    return std::string(value->get_string());
}

Result<json::Object> shared_header(const json::Object& jwe, std::string_view protected_text) {
    json::Object header;
    if (!protected_text.empty()) {
        TRY(const Bytes bytes, from_base64url(protected_text));
        TRY(const json::Value value,
            json::parse(as_text(bytes), {.max_bytes = kMaxHeader, .max_depth = 4}));
        if (!value.is_object()) {
            return refuse("the protected header must be an object");
        }
        header = value.get_object();
    }
    TRY(const json::Object unprotected, optional_object(jwe, "unprotected"));
    TRY_VOID(merge(header, unprotected));
    return header;
}

}  // namespace

Result<std::string> encrypt_jwe(
    BytesView plaintext, std::span<const crypto::RsaPublicKey> recipients) {
    const JweLimits limits;
    if (recipients.empty() || recipients.size() > limits.max_recipients) {
        return fail(CommonError::invalid_input, "a JWE has 1 to 64 recipients");
    }
    const crypto::Secret key = crypto::Secret::random(crypto::kAes256KeySize);
    json::Array rows;
    for (const crypto::RsaPublicKey& recipient : recipients) {
        TRY(const Bytes encrypted, recipient.encrypt_oaep_sha256(key.view()));
        json::Object row;
        row["encrypted_key"] = to_base64url(encrypted);
        row["header"] = json::Object{{"alg", kKeyAlgorithm}, {"kid", recipient.key_id()}};
        rows.push_back(std::move(row));
    }
    const std::string header =
        to_base64url(as_bytes("{\"enc\":\"" + std::string(kEncryption) + "\"}"));
    const auto nonce = crypto::random_array<crypto::kGcmNonceSize>();
    TRY(const crypto::SealedBytes sealed,
        crypto::aes256_gcm_seal(key.view(), nonce, as_bytes(header), plaintext));
    json::Object out;
    out["protected"] = header;
    out["recipients"] = std::move(rows);
    out["iv"] = to_base64url(nonce);
    out["ciphertext"] = to_base64url(sealed.ciphertext);
    out["tag"] = to_base64url(sealed.tag);
    TRY(std::string text, json::canonical(out));
    if (text.size() > limits.max_bytes) {
        return fail(CommonError::limit_exceeded, "the JWE would be longer than 2 MiB");
    }
    return text;
}

Result<void> Jwe::add_recipient(const json::Object& shared, const json::Object& row) {
    json::Object header = shared;
    TRY(const json::Object own, optional_object(row, "header"));
    TRY_VOID(merge(header, own));
    if (header.contains("crit") || header.contains("zip")) {
        return refuse("crit and zip are not supported");
    }
    if (text_of(header, "enc") != kEncryption) {
        return refuse("enc must be A256GCM");
    }
    if (text_of(header, "alg") == kKeyAlgorithm) {
        TRY(Bytes encrypted, binary_member(row, "encrypted_key"));
        recipients_.push_back({text_of(header, "kid").value_or(""), std::move(encrypted)});
    }
    return {};
}

Result<Jwe> Jwe::parse(std::string_view text, JweLimits limits) {
    TRY(const json::Value value,
        json::parse(text, {.max_bytes = limits.max_bytes, .max_depth = 8}));
    if (!value.is_object()) {
        return refuse("must be an object");
    }
    const json::Object& object = value.get_object();
    Jwe out;
    std::string associated;
    if (object.contains("protected")) {
        TRY(associated, json::string_member(object, "protected"));
    }
    TRY(const json::Object shared, shared_header(object, associated));
    if (object.contains("aad")) {
        TRY(const std::string aad, json::string_member(object, "aad"));
        associated += "." + aad;
    }
    out.associated_data_ = to_bytes(std::string_view(associated));
    if (const json::Value* const rows = object.if_contains("recipients")) {
        if (!rows->is_array() || rows->get_array().size() > limits.max_recipients) {
            return refuse("recipients must be an array of limited length");
        }
        for (const json::Value& row : rows->get_array()) {
            if (!row.is_object()) {
                return refuse("a recipient must be an object");
            }
            TRY_VOID(out.add_recipient(shared, row.get_object()));
        }
    } else {
        TRY_VOID(out.add_recipient(shared, object));
    }
    TRY(const Bytes nonce, binary_member(object, "iv"));
    TRY(const Bytes tag, binary_member(object, "tag"));
    if (nonce.size() != out.nonce_.size() || tag.size() != out.tag_.size()) {
        return refuse("iv must have 12 bytes and tag 16");
    }
    std::ranges::copy(nonce, out.nonce_.begin());
    std::ranges::copy(tag, out.tag_.begin());
    TRY(out.ciphertext_, binary_member(object, "ciphertext"));
    return out;
}

std::vector<std::string> Jwe::key_ids() const {
    std::vector<std::string> out;
    out.reserve(recipients_.size());
    for (const Recipient& recipient : recipients_) {
        out.push_back(recipient.key_id);
    }
    return out;
}

Result<Bytes> Jwe::open(const crypto::RsaPrivateKey& key, const Recipient& recipient) const {
    TRY(const crypto::Secret content_key, key.decrypt_oaep_sha256(recipient.encrypted_key));
    if (content_key.size() != crypto::kAes256KeySize) {
        return fail(CryptoError::decryption_failed);
    }
    return crypto::aes256_gcm_open(content_key.view(), nonce_, associated_data_, ciphertext_, tag_);
}

Result<Bytes> Jwe::decrypt(const crypto::RsaPrivateKey& key) const {
    Error problem = IdentityError::not_a_recipient;
    const std::string id = key.public_key().key_id();
    std::size_t tried = 0;
    for (const Recipient& recipient : recipients_) {
        if (!recipient.key_id.empty() && recipient.key_id != id) {
            continue;
        }
        if (++tried > kMostTried) {
            break;
        }
        auto plaintext = open(key, recipient);
        if (plaintext) {
            return plaintext;
        }
        problem = std::move(plaintext.error());
    }
    return fail(std::move(problem));
}

Result<Bytes> Jwe::decrypt(std::span<const crypto::RsaPrivateKey> keys) const {
    Error problem = IdentityError::not_a_recipient;
    for (const crypto::RsaPrivateKey& key : keys) {
        auto plaintext = decrypt(key);
        if (plaintext) {
            return plaintext;
        }
        if (!(plaintext.error() == make_error_code(IdentityError::not_a_recipient))) {
            problem = std::move(plaintext.error());
        }
    }
    return fail(std::move(problem));
}

}  // namespace decloud::identity
