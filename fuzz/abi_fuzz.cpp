#include <decloud/contracts/abi.hpp>
#include <decloud/contracts/escrow.hpp>
#include <decloud/contracts/resolver.hpp>
#include <decloud/contracts/revert.hpp>

#include <array>
#include <cstdlib>
#include <span>

namespace {

struct Inner {
    std::uint64_t number{};
    std::string text{};
    std::vector<decloud::Address> accounts{};
};

struct Outer {
    bool flag{};
    std::vector<Inner> inners{};
    decloud::Bytes blob{};
    std::vector<std::vector<decloud::Bytes32>> words{};
    decloud::Uint128 amount{};
};

}  // namespace

template <>
struct decloud::contracts::abi::Members<Inner> {
    static constexpr std::tuple kPointers{&Inner::number, &Inner::text, &Inner::accounts};
};
template <>
struct decloud::contracts::abi::Members<Outer> {
    static constexpr std::tuple kPointers{
        &Outer::flag, &Outer::inners, &Outer::blob, &Outer::words, &Outer::amount};
};

namespace {

/// Results that only have to come back without a fault.
template <class T>
void use(const T& /*result*/) {}

/// What decodes encodes to the same bytes.
template <class T>
void check_round_trip(decloud::BytesView input) {
    const auto value = decloud::contracts::abi::decode_value<T>(input);
    if (!value) {
        return;
    }
    decloud::Bytes again;
    decloud::contracts::abi::append_tuple(again, *value);
    if (!std::ranges::equal(again, input)) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    namespace contracts = decloud::contracts;
    const decloud::BytesView input(data, size);
    check_round_trip<Outer>(input);
    check_round_trip<std::vector<std::string>>(input);
    check_round_trip<decloud::Bytes>(input);
    use(contracts::escrow::decode_channel(input));
    use(contracts::escrow::decode_eip712_domain(input));
    use(contracts::resolver::decode_text(input));
    use(contracts::describe_revert(input));
    const std::array topics{
        contracts::resolver::TextChangedEvent::kTopic, decloud::Bytes32{}, decloud::Bytes32{}};
    use(contracts::resolver::TextChangedEvent::decode({.topics = topics, .data = input}));
    return 0;
}
