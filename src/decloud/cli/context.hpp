#pragma once

#include "exit_code.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/result.hpp>
#include <decloud/client/chain_session.hpp>
#include <decloud/client/config.hpp>
#include <decloud/client/home.hpp>
#include <decloud/client/wallet.hpp>
#include <decloud/identity/keystore.hpp>
#include <decloud/net/http/client.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace decloud::cli {

namespace internal {
class PassphraseReader;
}

/// What holds for every verb.
struct Globals {
    std::string home;
    std::string account;
    std::string passphrase_file;
    bool json = false;
};

/// The home of a command and what it says.
struct Workspace {
    client::Home home;
    client::Config config;
};

/// The exit code of a verb that did its work; an error becomes one by `exit_code`.
using Outcome = Result<ExitCode>;

/// What a verb works with. Single threaded.
class Context {
  public:
    Globals globals;
    /// Set by the verb that was parsed.
    std::function<Outcome()> action;
    /// Of accounts that are encrypted; without it those cannot be used.
    std::shared_ptr<internal::PassphraseReader> passphrases;

    /// Opens the home and reads its settings; `--account` stands over them.
    [[nodiscard]] Result<Workspace> open() const;
    /// The home's keys; `passphrases` is asked for those that are encrypted. Errors: as
    /// `KeyStore::open`.
    [[nodiscard]] Result<identity::KeyStore> keys(const Workspace& workspace) const;
    /// The key of `workspace.config.account`, checked against the chain. Error: not_found with the
    /// command that makes one.
    [[nodiscard]] Result<crypto::Secp256k1PrivateKey> account_key(const Workspace& workspace) const;
    /// Who signs for it: its key, or the external signer that holds it. Errors: the same.
    [[nodiscard]] Result<client::AccountSigner> account_signer(const Workspace& workspace) const;
    /// Its address, for which no passphrase is needed. Errors: the same.
    [[nodiscard]] Result<Address> account_address(const Workspace& workspace) const;

    /// Data for standard output: the object with `--json`, else the text. What could not be
    /// written is said on standard error.
    void print(const json::Object& object, std::string_view text) const;
    /// The machine's clock and this process's environment.
    [[nodiscard]] const Clock& clock() const { return system_clock(); }
    [[nodiscard]] client::EnvironmentReader environment() const {
        return client::process_environment();
    }
};

/// Data for standard output, sent at once. If its reader has gone away (`| head -1`) the program
/// ends as soon as the verb has, by SIGPIPE and without a word. Error: io, disk_full.
[[nodiscard]] Result<void> write_output(BytesView data);
/// The reader of standard output has gone away.
[[nodiscard]] bool output_is_closed();
/// From now on Ctrl-C ends the program with ExitCode::cancelled, unless whoever started it has it
/// ignore that.
void end_cancelled_on_interrupt();

/// For people, on standard error.
void tell(std::string_view text);
void tell_error(const Error& error);

/// Runs a coroutine to its end.
[[nodiscard]] Outcome run(std::function<async::Task<Outcome>(async::Executor)> work);

/// `work` with a connection to the chain, which is closed afterwards.
[[nodiscard]] async::Task<Outcome> with_chain(async::Executor executor,
    client::ChainConfig chain,
    std::function<async::Task<Outcome>(client::ChainSession&)> work);
/// The same with a wallet of `signer`.
[[nodiscard]] async::Task<Outcome> with_wallet(async::Executor executor,
    client::ChainConfig chain,
    std::filesystem::path wallets,
    client::AccountSigner signer,
    std::function<async::Task<Outcome>(client::ChainSession&, client::Wallet&)> work);
/// `work` with an HTTP client.
[[nodiscard]] async::Task<Outcome> with_http(
    async::Executor executor, std::function<async::Task<Outcome>(net::http::Client&)> work);

/// `file`, or standard input if that is empty or "-". A terminal is not read: error usage with
/// `instead` as help. Errors also: limit_exceeded above `max_bytes`, `store::read_file`'s.
[[nodiscard]] Result<Bytes> read_input(
    const std::string& file, std::uint64_t max_bytes, std::string_view instead);
/// "5", "0.001" USDC, above zero. Error: ClientError::usage.
[[nodiscard]] Result<Amount> parse_money(const std::string& text);
/// "0x7099…79c8" as "0x70…79c8".
[[nodiscard]] std::string short_address(const Address& address);

}  // namespace decloud::cli
