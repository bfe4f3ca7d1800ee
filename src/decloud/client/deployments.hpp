#pragma once

#include <decloud/base/clock.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::client {

/// One deployment that this home made.
struct DeployedVersion {
    std::string cid;
    UnixSeconds created;
    /// Full names of those that took it.
    std::vector<std::string> providers;
    bool is_public = false;
    Address owner;
    Bytes32 spec_hash;
    Amount max_price;
    /// Of everything but the time: an equal one need not be deployed again.
    std::string fingerprint;
    /// Ended by its owner.
    bool revoked = false;
    friend bool operator==(const DeployedVersion&, const DeployedVersion&) = default;
};

/// A NAME of this home: `current` is what `call NAME` calls.
struct NamedFunction {
    std::vector<DeployedVersion> versions;
    std::string current;

    /// Null if `current` is none of the versions. Lives until the versions change.
    [[nodiscard]] const DeployedVersion* current_version() const;
    /// The version with this cid; null if there is none. Lives until the versions change.
    [[nodiscard]] DeployedVersion* find(std::string_view cid);
};

/// The home's names, in one file (0600) that is replaced as a whole. Not thread safe. Take
/// `store::HomeLock`s around read-change-write if processes may race.
class Deployments {
  public:
    /// Empty if the file is missing. Errors: corrupt, StoreError::newer_format.
    [[nodiscard]] static Result<Deployments> load(const std::filesystem::path& file);
    /// Replaces the file, durably. Errors: as `store::write_file_atomically`.
    [[nodiscard]] Result<void> save(const std::filesystem::path& file) const;

    /// By name. Lives as long as this object.
    [[nodiscard]] const std::map<std::string, NamedFunction>& functions() const {
        return functions_;
    }
    /// Null if there is none. Lives as long as this object.
    [[nodiscard]] NamedFunction* find(std::string_view name);
    /// A version and the name that it is under.
    struct Match {
        std::string name;
        DeployedVersion version;
    };
    /// The current version of the function of that name, else the version with that cid. Error:
    /// ClientError::not_found.
    [[nodiscard]] Result<Match> resolve(std::string_view name_or_cid) const;
    /// `now`, or the second after the newest version of `name`: two versions made in one second
    /// would have one spec hash, and the revocation of one would be that of the other.
    [[nodiscard]] UnixSeconds next_creation(std::string_view name, UnixSeconds now) const;
    /// Adds a version and makes it current.
    void add(const std::string& name, DeployedVersion version);

  private:
    std::map<std::string, NamedFunction> functions_;
};

}  // namespace decloud::client
