#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/units.hpp>
#include <decloud/identity/signed_structs.hpp>
#include <decloud/multiformats/cid.hpp>
#include <decloud/net/host_rules.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace decloud::protocol {

/// What one call may use. Every limit is also capped by the provider.
struct FunctionLimits {
    std::chrono::milliseconds wall{15'000};
    std::uint64_t memory_bytes = 128 * kMiB;
    std::uint64_t processes = 64;
    std::uint64_t request_bytes = 10 * kMiB;
    std::uint64_t response_bytes = 10 * kMiB;
    std::uint64_t tmp_bytes = 64 * kMiB;
    friend bool operator==(const FunctionLimits&, const FunctionLimits&) = default;
};

/// How stdout becomes an answer (reference: CGI with sniffing).
enum class OutputMode : std::uint8_t { automatic, cgi, raw };

/// How a program that stays running is kept.
struct FunctionServer {
    /// Requests that one instance takes at the same time.
    std::uint64_t concurrency = 1;
    /// Without a request for so long, an instance is ended.
    std::chrono::milliseconds idle{60'000};
    friend bool operator==(const FunctionServer&, const FunctionServer&) = default;
};

/// What a program needs to run.
struct FunctionManifest {
    std::string name;
    std::string runtime;
    std::string entry;
    FunctionLimits limits;
    OutputMode output = OutputMode::automatic;
    /// Of a program that is an HTTP server; nothing for one that runs once for each call.
    std::optional<FunctionServer> server = {};
    /// The hosts that it asks to reach; none: it needs no network. Left out of the spec then.
    net::HostRules egress = {};
    friend bool operator==(const FunctionManifest&, const FunctionManifest&) = default;
};

/// What strangers may spend of the owner's money (design §3). All limits count calls; days are UTC.
struct OwnerPays {
    /// Whose calls the owner pays: everybody's, nobody's, or those of `listed`.
    enum class Callers : std::uint8_t { any, none, list };
    /// Calls per day where the owner says nothing.
    static constexpr std::uint64_t kDefaultPerDay = 1000;

    Callers callers = Callers::any;
    /// Addresses ("0x…") or ids ("did:key:…"), for `list`.
    std::vector<std::string> listed;
    /// For one caller in one day.
    std::optional<std::uint64_t> per_caller;
    /// For all callers together in one day.
    std::uint64_t per_day = kDefaultPerDay;
    /// For as long as the deployment lives.
    std::optional<std::uint64_t> total;
    friend bool operator==(const OwnerPays&, const OwnerPays&) = default;
};

/// Names and values of environment variables, in order.
using Variables = std::vector<std::pair<std::string, std::string>>;

/// A deployment as its owner wrote it.
struct DeploymentSpec {
    multiformats::Cid program;
    /// AES-256-GCM key, if the program is stored encrypted.
    std::optional<Bytes> program_key;
    FunctionManifest manifest;
    Variables environment;
    Variables secrets;
    /// The cid of the terms that the signature accepts; empty if there are none.
    std::string terms;
    OwnerPays owner_pays;
    /// Most that the owner pays for one call.
    Amount max_price;
    UnixSeconds created;
    Address owner;
};

/// RFC 8785 bytes of a spec: what `specHash` is the SHA-256 of.
[[nodiscard]] Result<std::string> canonical_spec(const DeploymentSpec& spec);
/// Unknown members are refused, so that nothing an owner asked for is silently left out.
/// Error: invalid_input naming the member.
[[nodiscard]] Result<DeploymentSpec> parse_spec(const json::Object& object);

/// `{spec, signature}`: the JWE's plaintext, or the content itself of a public deployment.
/// `signature` holds the `Deployment` struct's fields and its 65-byte signature.
struct SignedSpec {
    DeploymentSpec spec;
    identity::Signed<identity::Deployment> signature;
    Bytes32 spec_hash;
};

/// RFC 8785 bytes of `{spec, signature}`. Signs and checks nothing. Errors as `canonical_spec`.
[[nodiscard]] Result<std::string> serialize_signed_spec(
    const DeploymentSpec& spec, const identity::Signed<identity::Deployment>& signature);
/// Checks that `specHash`, `owner`, `created` and `maxPrice` of the struct are the spec's; the
/// signature itself is for the caller to verify under its own domain. Limits: 1 MiB, depth 8.
/// Error: invalid_input.
[[nodiscard]] Result<SignedSpec> parse_signed_spec(std::string_view text);

/// True if the bytes look like a JWE (they have "ciphertext"), false if like a public spec.
[[nodiscard]] bool is_encrypted_spec(std::string_view text);

}  // namespace decloud::protocol
