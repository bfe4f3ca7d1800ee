#include "lane.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>
#include <decloud/crypto/hash.hpp>
#include <decloud/crypto/random.hpp>
#include <decloud/crypto/secret.hpp>
#include <decloud/store/atomic_file.hpp>
#include <decloud/store/error.hpp>

#include <algorithm>
#include <string>

namespace decloud::client {

namespace {

constexpr std::size_t kMaxFile = 4096;
constexpr int kMaxLanes = 64;

std::unexpected<Error> damaged(const std::filesystem::path& file, std::string_view what) {
    return fail(StoreError::damaged, file.string() + ": " + std::string(what) +
                                         "; remove it: the provider knows what was spent");
}

Result<std::string> text_of(const json::Object& object, std::string_view name) {
    const json::Value* const value = object.if_contains(name);
    if (value == nullptr || !value->is_string()) {
        return fail(CommonError::invalid_input, std::string(name) + " is missing");
    }
    return std::string(value->get_string());
}

Result<Amount> amount_of(const json::Object& object, std::string_view name) {
    TRY(const std::string text, text_of(object, name));
    TRY(const Uint128 units, parse_uint128(text));
    return Amount(units);
}

Result<std::uint64_t> number_of(const json::Object& object, std::string_view name) {
    TRY(const Amount wide, amount_of(object, name));
    if (wide.units() > UINT64_MAX) {
        return fail(CommonError::invalid_input, std::string(name) + " is too large");
    }
    return static_cast<std::uint64_t>(wide.units());
}

Result<LaneState> parse(std::string_view text) {
    TRY(const json::Value value, json::parse(text, {.max_bytes = kMaxFile, .max_depth = 2}));
    if (!value.is_object()) {
        return fail(CommonError::invalid_input, "not a JSON object");
    }
    const json::Object& object = value.get_object();
    LaneState out;
    TRY(const std::string channel, text_of(object, "channel"));
    TRY(out.channel, parse_bytes32(channel));
    TRY(const std::string salt, text_of(object, "salt"));
    TRY(out.salt, parse_bytes32(salt));
    TRY(const std::string key, text_of(object, "key"));
    TRY(const Bytes32 bytes, parse_bytes32(key));
    out.key = bytes.bytes;
    const json::Value* const open = object.if_contains("open");
    out.open = open != nullptr && open->is_bool() && open->get_bool();
    TRY(out.reserved, amount_of(object, "reserved"));
    TRY(out.signed_for, amount_of(object, "signedFor"));
    TRY(out.spent, amount_of(object, "spent"));
    TRY(out.next_sequence, number_of(object, "nextSequence"));
    TRY(out.first_sequence, number_of(object, "firstSequence"));
    TRY(out.valid_before.value, number_of(object, "validBefore"));
    return out;
}

std::string format(const LaneState& state) {
    json::Object out;
    out["channel"] = to_string(state.channel);
    out["salt"] = to_string(state.salt);
    out["open"] = state.open;
    out["reserved"] = to_string(state.reserved);
    out["signedFor"] = to_string(state.signed_for);
    out["spent"] = to_string(state.spent);
    out["nextSequence"] = std::to_string(state.next_sequence);
    out["key"] = to_hex_prefixed(state.key);
    out["firstSequence"] = std::to_string(state.first_sequence);
    out["validBefore"] = std::to_string(state.valid_before.value);
    return json::to_text(out) + "\n";
}

LaneState fresh() {
    LaneState out;
    out.salt.bytes = crypto::random_array<Bytes32::kSize>();
    return out;
}

void append_word(Bytes& out, BytesView value) {
    out.insert(out.end(), Bytes32::kSize - value.size(), 0);
    append(out, value);
}

}  // namespace

Result<Lane> Lane::take(
    const std::filesystem::path& folder, const Address& payer, const Address& provider) {
    const auto of_pair = folder / (to_string(payer) + "-" + to_string(provider));
    for (int number = 1; number <= kMaxLanes; ++number) {
        const auto place = of_pair / std::to_string(number);
        std::error_code ignored;
        std::filesystem::create_directories(of_pair, ignored);
        auto lock = store::HomeLock::acquire(place);
        if (!lock && lock.error() == make_error_code(StoreError::in_use)) {
            continue;
        }
        if (!lock) {
            return fail(lock.error());
        }
        auto file = place / "lane.json";
        const auto text = store::read_file(file, kMaxFile);
        if (!text && text.error() == make_error_code(CommonError::not_found)) {
            return Lane(std::move(*lock), std::move(file), fresh());
        }
        if (!text) {
            return fail(text.error());
        }
        const auto state = parse(as_text(*text));
        if (!state) {
            return damaged(file, state.error().detail());
        }
        return Lane(std::move(*lock), std::move(file), *state);
    }
    return fail(StoreError::in_use, "too many processes pay " + to_string(provider) + " at once");
}

Lane::~Lane() { crypto::wipe(state_.key); }

Result<void> Lane::save() {
    std::string text = format(state_);
    auto saved = store::write_file_atomically(file_, as_bytes(text));
    crypto::wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
    return saved;
}

Result<void> Lane::start_over() {
    state_ = fresh();
    return save();
}

Bytes32 channel_id(const Address& payer,
    const Address& provider,
    const Address& token,
    const Bytes32& salt,
    const Address& signer,
    const Address& escrow,
    std::uint64_t chain_id) {
    Bytes encoded;
    append_word(encoded, payer.view());
    append_word(encoded, provider.view());
    append_word(encoded, token.view());
    append_word(encoded, salt.view());
    append_word(encoded, signer.view());
    append_word(encoded, escrow.view());
    append_word(encoded, Uint256::from(chain_id).big_endian);
    return crypto::keccak256(encoded);
}

}  // namespace decloud::client
