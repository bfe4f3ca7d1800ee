#include "verbs.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/client/error.hpp>
#include <decloud/store/atomic_file.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>

namespace decloud::cli {

namespace {

constexpr std::uint64_t kMaxKeyFile = 4096;

struct AccountOptions {
    std::string name;
    std::string file;
};

json::Object to_json(const std::string& name, const Address& address) {
    return {{"name", name}, {"address", to_string(address)}};
}

Outcome create(const Context& context, const AccountOptions& options) {
    TRY(const Workspace workspace, context.open());
    TRY(identity::KeyStore keys, context.keys(workspace));
    TRY(const auto key, keys.create_account(options.name));
    context.print(to_json(options.name, key.address()), to_string(key.address()));
    return ExitCode::ok;
}

Outcome list(const Context& context, const AccountOptions&) {
    TRY(const Workspace workspace, context.open());
    TRY(const identity::KeyStore keys, context.keys(workspace));
    TRY(const auto accounts, keys.accounts());
    json::Array rows;
    std::string text;
    for (const identity::AccountEntry& account : accounts) {
        rows.emplace_back(to_json(account.name, account.address));
        text += fmt::format("{:<16} {}\n", account.name, to_string(account.address));
    }
    context.print({{"accounts", std::move(rows)}}, text);
    return ExitCode::ok;
}

Outcome show(const Context& context, const AccountOptions& options) {
    TRY(Workspace workspace, context.open());
    TRY(const identity::KeyStore keys, context.keys(workspace));
    const std::string name = options.name.empty() ? workspace.config.account : options.name;
    auto key = keys.account(name);
    if (!key && key.error() == make_error_code(CommonError::not_found)) {
        return fail_with_help(ClientError::not_found, "this home has no account " + name,
            "decloud account list shows which it has");
    }
    if (!key) {
        return fail(std::move(key.error()));
    }
    context.print(to_json(name, key->address()), to_string(key->address()));
    return ExitCode::ok;
}

/// The form that `import` reads: the 32 bytes in hexadecimal.
Outcome export_account(const Context& context, const AccountOptions& options) {
    TRY(const Workspace workspace, context.open());
    TRY(const identity::KeyStore keys, context.keys(workspace));
    TRY(const auto key, keys.account(options.name));
    std::error_code ignored;
    if (std::filesystem::exists(options.file, ignored)) {
        return fail(
            CommonError::already_exists, options.file + " is there already and is not overwritten");
    }
    std::string text = to_hex_prefixed(key.secret_bytes()) + "\n";
    const auto written = store::write_file_atomically(options.file, as_bytes(text));
    crypto::wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
    if (!written) {
        return fail(written.error());
    }
    context.print(
        {{"name", options.name}, {"address", to_string(key.address())}, {"file", options.file}},
        "");
    tell("whoever reads " + options.file + " can spend everything that this account has");
    return ExitCode::ok;
}

Outcome import_account(const Context& context, const AccountOptions& options) {
    TRY(const Workspace workspace, context.open());
    TRY(identity::KeyStore keys, context.keys(workspace));
    TRY(Bytes text, read_input(options.file, kMaxKeyFile,
                        "give the key on standard input or with --file FILE"));
    std::string_view trimmed = as_text(text);
    while (!trimmed.empty() && (trimmed.back() == '\n' || trimmed.back() == '\r')) {
        trimmed.remove_suffix(1);
    }
    auto secret = from_hex(trimmed);
    crypto::wipe(text);
    if (!secret) {
        return fail_with_help(ClientError::usage, "the key is not 32 bytes in hexadecimal",
            "decloud account export NAME --file FILE writes one");
    }
    const auto key = crypto::Secp256k1PrivateKey::from_bytes(*secret);
    crypto::wipe(*secret);
    if (!key) {
        return fail(ClientError::usage, "the key is not 32 bytes in hexadecimal");
    }
    TRY_VOID(keys.import_account(options.name, *key));
    context.print(to_json(options.name, key->address()), to_string(key->address()));
    return ExitCode::ok;
}

}  // namespace

void add_account_verbs(CLI::App& app, Context& context) {
    CLI::App* verb = app.add_subcommand("account", "The keys of this home that own money");
    verb->require_subcommand(1);
    const auto options = std::make_shared<AccountOptions>();
    const auto add = [&](const char* name, const char* help, auto act) {
        CLI::App* inner = verb->add_subcommand(name, help);
        inner->callback([&context, options, act] {
            context.action = [&context, options, act] { return act(context, *options); };
        });
        return inner;
    };
    add("create", "Make a new key", create)
        ->add_option("name", options->name, "What to call it")
        ->required();
    (void)add("list", "All accounts", list);
    add("show", "One account's address", show)
        ->add_option("name", options->name, "Which; default: the one that acts");
    CLI::App* out = add("export", "Write an account's key to a file (0600)", export_account);
    out->add_option("name", options->name, "Which")->required();
    out->add_option("--file", options->file, "Where to")->type_name("FILE")->required();
    CLI::App* in = add("import", "Take a key from a file or standard input", import_account);
    in->add_option("name", options->name, "What to call it")->required();
    in->add_option("--file", options->file, "Where it is")->type_name("FILE");
}

}  // namespace decloud::cli
