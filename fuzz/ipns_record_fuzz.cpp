#include <decloud/multiformats/ipns_record.hpp>

using decloud::BytesView;
using decloud::multiformats::IpnsName;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const BytesView input(data, size);
    (void)IpnsName::parse(decloud::as_text(input));
    // The key of a fixture, so that its record gets past the signature.
    static const IpnsName name =
        IpnsName::parse("k51qzi5uqu5dit2ku9mutlfgwyz8u730on38kd10m97m36bjt66my99hb6103f").value();
    (void)decloud::multiformats::verify_ipns_record(name, input);
    return 0;
}
