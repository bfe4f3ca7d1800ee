#include "ipns_records.hpp"

#include <decloud/store/atomic_file.hpp>

#include <algorithm>
#include <tuple>
#include <utility>

namespace decloud::ipfs {

using multiformats::IpnsName;

Result<std::unique_ptr<IpnsRecords>> IpnsRecords::open(std::filesystem::path folder) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) {
        return fail(Error(error, "make " + folder.string()));
    }
    return std::unique_ptr<IpnsRecords>(new IpnsRecords(std::move(folder)));
}

std::filesystem::path IpnsRecords::file_of(const IpnsName& name) const {
    return folder_ / (name.to_string() + ".ipns-record");
}

Result<std::optional<IpnsRecords::Held>> IpnsRecords::read(const IpnsName& name) const {
    auto bytes = store::read_file(file_of(name), multiformats::kMaxIpnsRecord);
    if (!bytes && bytes.error() == make_error_code(CommonError::not_found)) {
        return std::nullopt;
    }
    if (!bytes) {
        return fail(std::move(bytes.error()));
    }
    TRY(auto record, multiformats::verify_ipns_record(name, *bytes));
    return Held{.record = std::move(record), .bytes = std::move(*bytes)};
}

Result<void> IpnsRecords::put(const IpnsName& name, BytesView record, UnixSeconds now) {
    const std::scoped_lock lock(writing_);
    TRY(const auto held, read(name));
    return put_beside(held, name, record, now);
}

Result<void> IpnsRecords::replace(const IpnsName& name, BytesView record, UnixSeconds now) {
    const std::scoped_lock lock(writing_);
    TRY(const auto held, read(name));
    if (!held) {
        return fail(CommonError::not_found,
            "IPNS record: this node keeps none of " + name.to_string() + ", its operator decides");
    }
    return put_beside(held, name, record, now);
}

Result<void> IpnsRecords::put_beside(
    const std::optional<Held>& held, const IpnsName& name, BytesView record, UnixSeconds now) {
    TRY(const auto verified, multiformats::verify_ipns_record(name, record));
    if (verified.valid_until < now) {
        return fail(CommonError::invalid_input,
            "IPNS record: it ended at " + format_utc(verified.valid_until));
    }
    if (held && std::tie(verified.sequence, verified.valid_until) <
                    std::tie(held->record.sequence, held->record.valid_until)) {
        return fail(CommonError::conflict, "IPNS record: a newer one is held");
    }
    // Anybody can bring the one that is held: that costs no write.
    return held && std::ranges::equal(held->bytes, record)
               ? Result<void>()
               : store::write_file_atomically(file_of(name), record);
}

Result<std::optional<IpnsRecords::Held>> IpnsRecords::find(
    const IpnsName& name, UnixSeconds now) const {
    TRY(auto held, read(name));
    if (held && held->record.valid_until < now) {
        return std::nullopt;
    }
    return held;
}

}  // namespace decloud::ipfs
