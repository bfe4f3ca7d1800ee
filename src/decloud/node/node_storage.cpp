#include "node_storage.hpp"

#include <decloud/base/clock.hpp>
#include <decloud/base/log.hpp>
#include <decloud/identity/ipns_keys.hpp>
#include <decloud/identity/keystore.hpp>

#include <string>
#include <utility>

namespace decloud::node {

Result<Keys> open_keys(const std::filesystem::path& folder) {
    TRY(auto store, identity::KeyStore::open(folder));
    TRY(auto identity_key, store.node_identity());
    TRY(auto settler, store.settler());
    TRY(auto rsa, store.rsa_keys());
    TRY(auto mac, store.mac_key("module-cache"));
    return Keys{std::move(identity_key), std::move(settler), std::move(rsa), std::move(mac)};
}

Result<Storage> open_storage(const std::filesystem::path& home, const std::filesystem::path& keys) {
    TRY(auto lock, store::HomeLock::acquire(home));
    TRY(auto blocks, content::open_disk_store(home / "blocks"));
    for (const std::string& repair : blocks->repairs()) {
        log::warning("node", "{}", repair);
    }
    TRY(auto pins, content::open_pins(home / "pins.sqlite"));
    TRY(auto private_blocks, content::open_private_blocks(home / "private-blocks.sqlite"));
    TRY_VOID(private_blocks->hide_older(*blocks, system_clock().unix_seconds()));
    TRY(auto ipns_records, ipfs::IpnsRecords::open(home / "ipns"));
    TRY(auto records, store::RecordStore::open(home / "records.sqlite"));
    auto publisher = std::make_unique<ipfs::IpnsPublisher>(
        [keys](std::string_view name) { return identity::open_ipns_key(keys, name); },
        *ipns_records, *records, system_clock());
    return Storage{std::move(lock), std::move(blocks), std::move(pins), std::move(private_blocks),
        std::move(ipns_records), std::move(records), std::move(publisher)};
}

}  // namespace decloud::node
