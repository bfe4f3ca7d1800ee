#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/result.hpp>
#include <decloud/multiformats/ipns_record.hpp>

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>

namespace decloud::ipfs {

/// IPNS records that were given to this node, each verified, one of a name: a file each, durable.
/// Thread safe; calls block on the disk.
class IpnsRecords {
  public:
    /// Makes the folder if it is missing. Error: io.
    [[nodiscard]] static Result<std::unique_ptr<IpnsRecords>> open(std::filesystem::path folder);

    /// Keeps a record unless a newer one is held (a larger sequence, then a later end). Errors: as
    /// `verify_ipns_record`; conflict for an older one; invalid_input for one that has ended.
    [[nodiscard]] Result<void> put(
        const multiformats::IpnsName& name, BytesView record, UnixSeconds now);

    /// The same of what a stranger brings: only for a name of which a record is held already, so
    /// that strangers cannot fill the disk. Error also: not_found if none is.
    [[nodiscard]] Result<void> replace(
        const multiformats::IpnsName& name, BytesView record, UnixSeconds now);

    /// A record and what it says.
    struct Held {
        multiformats::IpnsRecord record;
        Bytes bytes;
    };
    /// Nothing if there is none that is still valid. Errors: io, corrupt.
    [[nodiscard]] Result<std::optional<Held>> find(
        const multiformats::IpnsName& name, UnixSeconds now) const;

  private:
    explicit IpnsRecords(std::filesystem::path folder) : folder_(std::move(folder)) {}
    [[nodiscard]] std::filesystem::path file_of(const multiformats::IpnsName& name) const;
    [[nodiscard]] Result<std::optional<Held>> read(const multiformats::IpnsName& name) const;
    [[nodiscard]] Result<void> put_beside(const std::optional<Held>& held,
        const multiformats::IpnsName& name,
        BytesView record,
        UnixSeconds now);

    std::filesystem::path folder_;
    std::mutex writing_;
};

}  // namespace decloud::ipfs
