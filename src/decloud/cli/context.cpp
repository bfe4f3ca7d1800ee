#include "context.hpp"

#include "internal/passphrase.hpp"

#include <decloud/client/error.hpp>
#include <decloud/client/http.hpp>
#include <decloud/net/error.hpp>
#include <decloud/store/atomic_file.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>

namespace decloud::cli {

namespace {

bool reader_gone = false;

const Address& address_of(const crypto::Secp256k1PrivateKey& key) { return key.address(); }
const Address& address_of(const client::AccountSigner& signer) { return signer.address(); }
const Address& address_of(const identity::AccountEntry& account) { return account.address; }

std::unexpected<Error> missing_account(const std::string& name) {
    return fail_with_help(ClientError::not_found, "this home has no account " + name,
        "decloud account create " + name + ", or decloud up for a funded one on a local chain");
}

/// What the key store found, checked against the chain.
template <class Found>
Result<Found> usable(Result<Found> found, const Workspace& workspace) {
    if (!found && found.error() == make_error_code(CommonError::not_found)) {
        return missing_account(workspace.config.account);
    }
    if (found) {
        TRY_VOID(client::check_key(address_of(*found), workspace.config.chain));
    }
    return found;
}

}  // namespace

Result<Workspace> Context::open() const {
    TRY(client::Home home, client::locate_home(globals.home, environment()));
    TRY_VOID(client::open_home(home));
    TRY(client::Config config, client::load_config(home, environment()));
    if (!globals.account.empty()) {
        config.account = globals.account;
    }
    return Workspace{.home = std::move(home), .config = std::move(config)};
}

Result<identity::KeyStore> Context::keys(const Workspace& workspace) const {
    identity::PassphraseSource source;
    if (passphrases) {
        source = [reader = passphrases](const identity::AccountEntry& account) {
            return reader->existing(account.name);
        };
    }
    return identity::KeyStore::open(workspace.home.keys(), std::move(source));
}

Result<crypto::Secp256k1PrivateKey> Context::account_key(const Workspace& workspace) const {
    TRY(const identity::KeyStore store, keys(workspace));
    return usable(store.account(workspace.config.account), workspace);
}

Result<client::AccountSigner> Context::account_signer(const Workspace& workspace) const {
    TRY(const identity::KeyStore store, keys(workspace));
    return usable(client::open_signer(store, workspace.config.account), workspace);
}

Result<Address> Context::account_address(const Workspace& workspace) const {
    TRY(const identity::KeyStore store, keys(workspace));
    TRY(const identity::AccountEntry found,
        usable(store.describe(workspace.config.account), workspace));
    return found.address;
}

void Context::print(const json::Object& object, std::string_view text) const {
    std::string out = globals.json ? json::to_text(object) : std::string(text);
    if (!out.empty() && !out.ends_with('\n')) {
        out += '\n';
    }
    if (const auto written = write_output(as_bytes(out)); !written && !output_is_closed()) {
        tell_error(written.error());
    }
}

Result<void> write_output(BytesView data) {
    if (std::fwrite(data.data(), 1, data.size(), stdout) == data.size() &&
        std::fflush(stdout) == 0) {
        return {};
    }
    reader_gone = reader_gone || errno == EPIPE;
    return fail(errno_error("write standard output"));
}

bool output_is_closed() { return reader_gone; }

void end_cancelled_on_interrupt() {
    struct sigaction action{};
    if (sigaction(SIGINT, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) {
        return;
    }
    action = {};
    // Nothing needs to be tidied: state on disk is whole at any moment.
    action.sa_handler = [](int) { _exit(static_cast<int>(ExitCode::cancelled)); };
    (void)sigaction(SIGINT, &action, nullptr);
}

void tell(std::string_view text) {
    fmt::print(stderr, "{}\n", text);
    (void)std::fflush(stderr);
}

void tell_error(const Error& error) {
    std::string text = "decloud: " + error.message();
    const bool has_help = text.find("\nhelp: ") != std::string::npos;
    if (!has_help && error == make_error_code(net::NetError::connect_failed)) {
        text += "\nhelp: see that it runs and listens there; decloud doctor looks at this machine";
    }
    tell(text);
}

Outcome run(std::function<async::Task<Outcome>(async::Executor)> work) {
    boost::asio::io_context io(1);
    std::optional<Outcome> outcome;
    std::exception_ptr problem;
    boost::asio::co_spawn(
        io, work(io.get_executor()), [&](std::exception_ptr error, Outcome result) {
            problem = error;
            outcome = std::move(result);
        });
    io.run();
    if (problem) {
        std::rethrow_exception(problem);
    }
    return outcome ? std::move(*outcome)
                   : Outcome(fail(CommonError::internal, "the work did not end"));
}

async::Task<Outcome> with_chain(async::Executor executor,
    client::ChainConfig chain,
    std::function<async::Task<Outcome>(client::ChainSession&)> work) {
    CO_TRY(const auto session, co_await client::ChainSession::connect(
                                   executor, {.chain = std::move(chain)}, system_clock()));
    auto outcome = co_await work(*session);
    co_await session->stop();
    co_return outcome;
}

async::Task<Outcome> with_wallet(async::Executor executor,
    client::ChainConfig chain,
    std::filesystem::path wallets,
    client::AccountSigner signer,
    std::function<async::Task<Outcome>(client::ChainSession&, client::Wallet&)> work) {
    CO_TRY(const auto session, co_await client::ChainSession::connect(
                                   executor, {.chain = std::move(chain)}, system_clock()));
    auto wallet = co_await client::Wallet::open(*session, std::move(wallets), std::move(signer));
    if (!wallet) {
        co_await session->stop();
        co_return fail(std::move(wallet.error()));
    }
    auto outcome = co_await work(*session, **wallet);
    co_await (*wallet)->stop();
    co_await session->stop();
    co_return outcome;
}

async::Task<Outcome> with_http(
    async::Executor executor, std::function<async::Task<Outcome>(net::http::Client&)> work) {
    const auto http = client::make_http_client(executor);
    auto outcome = co_await work(*http);
    co_await http->stop();
    co_return outcome;
}

Result<Bytes> read_input(
    const std::string& file, std::uint64_t max_bytes, std::string_view instead) {
    if (!file.empty() && file != "-") {
        return store::read_file(file, max_bytes);
    }
    if (isatty(STDIN_FILENO) != 0) {
        return fail_with_help(
            ClientError::usage, "standard input is a terminal, and nothing is asked for", instead);
    }
    Bytes out;
    std::array<std::uint8_t, 65536> buffer{};
    for (;;) {
        const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return fail(errno_error("read standard input"));
        }
        if (count == 0) {
            return out;
        }
        append(out, BytesView(buffer).first(static_cast<std::size_t>(count)));
        if (out.size() > max_bytes) {
            return fail(CommonError::limit_exceeded,
                "standard input is longer than " + std::to_string(max_bytes) + " bytes");
        }
    }
}

Result<Amount> parse_money(const std::string& text) {
    const auto amount = parse_usdc(text);
    if (!amount || amount->is_zero()) {
        return fail(ClientError::usage,
            "\"" + text + "\" is not an amount of USDC: write it like 5 or 0.001");
    }
    return *amount;
}

std::string short_address(const Address& address) {
    const std::string text = to_string(address);
    return text.substr(0, 4) + "…" + text.substr(text.size() - 4);
}

}  // namespace decloud::cli
