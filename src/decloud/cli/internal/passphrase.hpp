#pragma once

#include <decloud/base/result.hpp>
#include <decloud/crypto/secret.hpp>
#include <decloud/identity/keystore.hpp>

#include <map>
#include <optional>
#include <string>

namespace decloud::cli::internal {

/// Where a command's passphrase comes from: `--passphrase-file` over DECLOUD_PASSPHRASE over the
/// terminal. What was read stays in locked memory as long as this object, so that nobody is asked
/// twice. Not thread safe.
class PassphraseReader {
  public:
    /// Takes DECLOUD_PASSPHRASE out of the environment, where a child or a dump could find it.
    PassphraseReader();

    /// Reads the first line of a file; of standard input for "-", whose rest stays for whoever
    /// reads on. Errors: ClientError::not_authorised if it cannot be read, limit_exceeded if it is
    /// too long.
    [[nodiscard]] Result<void> read_file(const std::string& file);

    /// Of an account that is encrypted; a terminal is asked, without echo. Errors:
    /// IdentityError::passphrase_required with what to do, cancelled.
    [[nodiscard]] Result<crypto::Secret> existing(const std::string& account);
    /// For an account that is about to be encrypted; a terminal is asked twice. Errors as
    /// `existing`; ClientError::usage if it is empty or the two differ.
    [[nodiscard]] Result<crypto::Secret> fresh(const std::string& account);

    /// Reads the first line of a file that has the new passphrase of a change. Errors as
    /// `read_file`.
    [[nodiscard]] Result<void> read_replacement_file(const std::string& file);
    /// What replaces an account's passphrase: that file's over DECLOUD_NEW_PASSPHRASE over the
    /// terminal, which is asked twice. Errors as `fresh`.
    [[nodiscard]] Result<crypto::Secret> replacement(const std::string& account);

    /// Wipes what was read, for a process that goes on for long and needs no more of it.
    void forget();

  private:
    /// Of all accounts.
    std::optional<crypto::Secret> given_;
    std::optional<crypto::Secret> replacement_;
    /// Of one, as typed.
    std::map<std::string, crypto::Secret> typed_;
};

}  // namespace decloud::cli::internal
