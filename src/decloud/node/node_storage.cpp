#include "node_storage.hpp"

#include <decloud/base/clock.hpp>
#include <decloud/base/log.hpp>
#include <decloud/identity/ipns_keys.hpp>
#include <decloud/identity/keystore.hpp>

#include <string>
#include <utility>

namespace decloud::node {

namespace {

/// Null without settings.
Result<std::unique_ptr<kubo::Engine>> open_engine(std::optional<kubo::ApiSettings> settings,
    const std::filesystem::path& file,
    content::ManagedBlockStore& disk,
    content::Pins& pins,
    const content::PrivateBlocks& private_blocks) {
    if (settings) {
        TRY(auto engine, kubo::Engine::open(std::move(*settings), file, disk, pins, private_blocks,
                             system_clock()));
        TRY_VOID(engine->check());
        return engine;
    }
    TRY(const bool left, kubo::has_blocks(file));
    if (left) {
        log::error("node",
            "content of this node is in Kubo and is not found: set engine = \"kubo\" under "
            "[content] in config.toml, or add it again and remove {}",
            file.string());
    }
    return std::unique_ptr<kubo::Engine>();
}

}  // namespace

Result<Keys> open_keys(const std::filesystem::path& folder) {
    TRY(auto store, identity::KeyStore::open(folder));
    TRY(auto identity_key, store.node_identity());
    TRY(auto settler, store.settler());
    TRY(auto rsa, store.rsa_keys());
    TRY(auto mac, store.mac_key("module-cache"));
    return Keys{std::move(identity_key), std::move(settler), std::move(rsa), std::move(mac)};
}

Result<Storage> open_storage(const std::filesystem::path& home,
    const std::filesystem::path& keys,
    std::optional<kubo::ApiSettings> kubo) {
    TRY(auto lock, store::HomeLock::acquire(home));
    TRY(auto disk, content::open_disk_store(home / "blocks"));
    for (const std::string& repair : disk->repairs()) {
        log::warning("node", "{}", repair);
    }
    TRY(auto pins, content::open_pins(home / "pins.sqlite"));
    TRY(auto private_blocks, content::open_private_blocks(home / "private-blocks.sqlite"));
    TRY_VOID(private_blocks->hide_older(*disk, system_clock().unix_seconds()));
    TRY(auto engine,
        open_engine(std::move(kubo), home / "kubo.sqlite", *disk, *pins, *private_blocks));
    TRY(auto ipns_records, ipfs::IpnsRecords::open(home / "ipns"));
    TRY(auto records, store::RecordStore::open(home / "records.sqlite"));
    auto publisher = std::make_unique<ipfs::IpnsPublisher>(
        [keys](std::string_view name) { return identity::open_ipns_key(keys, name); },
        *ipns_records, *records, system_clock());
    Storage out{std::move(lock), std::move(disk), std::move(pins), std::move(private_blocks),
        std::move(engine), nullptr, nullptr, std::move(ipns_records), std::move(records),
        std::move(publisher)};
    out.blocks = out.disk.get();
    out.pins = out.pin_file.get();
    if (out.kubo) {
        out.blocks = &out.kubo->blocks();
        out.pins = &out.kubo->pins();
    }
    return out;
}

}  // namespace decloud::node
