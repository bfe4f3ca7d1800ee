#include "internal/account_history.hpp"
#include "internal/debts.hpp"
#include "internal/own_id.hpp"
#include "internal/passphrase.hpp"
#include "verbs.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/client/error.hpp>
#include <decloud/net/url.hpp>
#include <decloud/store/atomic_file.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

namespace decloud::cli {

namespace {

constexpr std::uint64_t kMaxKeyFile = identity::kMaxEncryptedKeyFile;

struct AccountOptions {
    std::string name;
    std::string file;
    std::string new_passphrase_file;
    std::string address;
    std::string url;
    bool encrypt = false;
    bool offline = false;
    bool leaves_debts = false;
};

json::Object to_json(const identity::AccountEntry& account) {
    json::Object out{{"name", account.name}, {"address", to_string(account.address)},
        {"encrypted", account.encrypted}};
    if (!account.external.empty()) {
        out["external"] = account.external;
    }
    return out;
}

void print(const Context& context, const identity::AccountEntry& account) {
    context.print(to_json(account), to_string(account.address));
}

/// Stores a key that is new here, under a passphrase if that is wanted.
Result<void> store_new(const Context& context,
    identity::KeyStore& keys,
    const AccountOptions& options,
    const crypto::Secp256k1PrivateKey& key) {
    if (!options.encrypt) {
        return keys.import_account(options.name, key);
    }
    TRY(const crypto::Secret passphrase, context.passphrases->fresh(options.name));
    TRY(const auto sealed, identity::EncryptedKey::seal(key, passphrase.view()));
    return keys.import_account(options.name, sealed);
}

Outcome create(const Context& context, const AccountOptions& options) {
    TRY(const Workspace workspace, context.open());
    TRY(identity::KeyStore keys, context.keys(workspace));
    const auto key = crypto::Secp256k1PrivateKey::generate();
    TRY_VOID(store_new(context, keys, options, key));
    print(context, {.name = options.name, .address = key.address(), .encrypted = options.encrypt});
    return ExitCode::ok;
}

Outcome add_external(const Context& context, const AccountOptions& options) {
    TRY(const Workspace workspace, context.open());
    TRY(identity::KeyStore keys, context.keys(workspace));
    const auto address = parse_address(options.address);
    const auto url = net::parse_url(options.url);
    if (!address || !url || url->scheme == net::Scheme::unix_socket) {
        return fail_with_help(ClientError::usage,
            !address ? "\"" + options.address + "\" is no address"
                     : "\"" + options.url + "\" is no http or https URL",
            "decloud account add NAME 0x… --external http://127.0.0.1:8550");
    }
    TRY_VOID(keys.add_external_account(options.name, *address, options.url));
    print(context, {.name = options.name, .address = *address, .external = options.url});
    return ExitCode::ok;
}

Outcome list(const Context& context, const AccountOptions&) {
    TRY(const Workspace workspace, context.open());
    TRY(const identity::KeyStore keys, context.keys(workspace));
    TRY(const auto accounts, keys.accounts());
    json::Array rows;
    std::string text;
    for (const identity::AccountEntry& account : accounts) {
        rows.emplace_back(to_json(account));
        text += fmt::format("{:<16} {}{}\n", account.name, to_string(account.address),
            account.encrypted           ? "  encrypted"
            : !account.external.empty() ? "  signed for by " + account.external
                                        : "");
    }
    context.print({{"accounts", std::move(rows)}}, text);
    return ExitCode::ok;
}

/// With help for a name that is not there.
Result<identity::AccountEntry> find(const identity::KeyStore& keys, const std::string& name) {
    auto account = keys.describe(name);
    if (!account && account.error() == make_error_code(CommonError::not_found)) {
        return fail_with_help(ClientError::not_found, "this home has no account " + name,
            "decloud account list shows which it has");
    }
    return account;
}

Outcome show(const Context& context, const AccountOptions& options) {
    TRY(const Workspace workspace, context.open());
    TRY(const identity::KeyStore keys, context.keys(workspace));
    TRY(const auto account,
        find(keys, options.name.empty() ? workspace.config.account : options.name));
    print(context, account);
    return ExitCode::ok;
}

Outcome encrypt(const Context& context, const AccountOptions& options) {
    TRY(const Workspace workspace, context.open());
    TRY(identity::KeyStore keys, context.keys(workspace));
    TRY(identity::AccountEntry account, find(keys, options.name));
    if (account.encrypted) {
        return fail_with_help(ClientError::usage,
            "account " + options.name + " has a passphrase already",
            "for another one: decloud account decrypt " + options.name + ", then encrypt it again");
    }
    TRY(const crypto::Secret passphrase, context.passphrases->fresh(options.name));
    TRY_VOID(keys.encrypt_account(options.name, passphrase.view()));
    account.encrypted = true;
    print(context, account);
    tell("without the passphrase nobody, you included, can use " + options.name +
         "; a copy of its old file would still be open");
    return ExitCode::ok;
}

Outcome change_passphrase(const Context& context, const AccountOptions& options) {
    TRY(const Workspace workspace, context.open());
    TRY(identity::KeyStore keys, context.keys(workspace));
    TRY(const identity::AccountEntry account, find(keys, options.name));
    if (!account.encrypted) {
        return fail_with_help(ClientError::usage, "account " + options.name + " has no passphrase",
            "decloud account encrypt " + options.name + " gives it one");
    }
    if (!options.new_passphrase_file.empty()) {
        TRY_VOID(context.passphrases->read_replacement_file(options.new_passphrase_file));
    }
    // The old one is asked for, and has to be right, before a new one is.
    TRY_VOID(keys.account(options.name));
    TRY(const crypto::Secret passphrase, context.passphrases->replacement(options.name));
    TRY_VOID(keys.change_passphrase(options.name, passphrase.view()));
    print(context, account);
    tell("copies of the old file still open with the old passphrase");
    return ExitCode::ok;
}

Outcome decrypt(const Context& context, const AccountOptions& options) {
    TRY(const Workspace workspace, context.open());
    TRY(identity::KeyStore keys, context.keys(workspace));
    TRY(identity::AccountEntry account, find(keys, options.name));
    TRY_VOID(keys.decrypt_account(options.name));
    account.encrypted = false;
    print(context, account);
    tell("whoever reads this home's files can use " + options.name + " now");
    return ExitCode::ok;
}

/// The 32 bytes in hexadecimal, which `import` reads.
crypto::Secret hexadecimal(const crypto::Secp256k1PrivateKey& key) {
    std::string text = to_hex_prefixed(key.secret_bytes()) + "\n";
    crypto::Secret out{as_bytes(text)};
    crypto::wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
    return out;
}

/// V3 JSON: as it is stored, or under a passphrase that is new.
Result<crypto::Secret> v3_json(
    const Context& context, const identity::KeyStore& keys, const identity::AccountEntry& account) {
    const auto text_of = [](const identity::EncryptedKey& key) {
        return crypto::Secret(as_bytes(json::to_text(key.to_json()) + "\n"));
    };
    if (account.encrypted) {
        TRY(const auto stored, keys.encrypted_account(account.name));
        return text_of(stored);
    }
    TRY(const auto key, keys.account(account.name));
    TRY(const crypto::Secret passphrase, context.passphrases->fresh(account.name));
    TRY(const auto sealed, identity::EncryptedKey::seal(key, passphrase.view()));
    return text_of(sealed);
}

Result<crypto::Secret> exported(const Context& context,
    const identity::KeyStore& keys,
    const identity::AccountEntry& account,
    bool encrypted) {
    if (encrypted) {
        return v3_json(context, keys, account);
    }
    TRY(const auto key, keys.account(account.name));
    return hexadecimal(key);
}

Outcome export_account(const Context& context, const AccountOptions& options) {
    TRY(const Workspace workspace, context.open());
    TRY(const identity::KeyStore keys, context.keys(workspace));
    TRY(const auto account, find(keys, options.name));
    std::error_code ignored;
    if (std::filesystem::exists(options.file, ignored)) {
        return fail(
            CommonError::already_exists, options.file + " is there already and is not overwritten");
    }
    TRY(const crypto::Secret text, exported(context, keys, account, options.encrypt));
    TRY_VOID(store::write_file_atomically(options.file, text.view()));
    context.print({{"name", options.name}, {"address", to_string(account.address)},
                      {"file", options.file}, {"encrypted", options.encrypt}},
        "");
    tell("whoever reads " + options.file + (options.encrypt ? " and knows its passphrase" : "") +
         " can spend everything that this account has");
    return ExitCode::ok;
}

/// Hexadecimal, or V3 JSON, which stays encrypted under its passphrase.
Result<crypto::Secp256k1PrivateKey> parse_key(
    const Context& context, AccountOptions& options, std::string_view text) {
    if (text.starts_with('{')) {
        TRY(const auto encrypted, identity::EncryptedKey::parse(text));
        TRY(const crypto::Secret passphrase, context.passphrases->existing(options.name));
        options.encrypt = true;
        return encrypted.open(passphrase.view());
    }
    auto secret = from_hex(text);
    if (!secret) {
        return fail_with_help(ClientError::usage,
            "the key is neither 32 bytes in hexadecimal nor V3 JSON",
            "decloud account export NAME --file FILE writes one");
    }
    auto key = crypto::Secp256k1PrivateKey::from_bytes(*secret);
    crypto::wipe(*secret);
    if (!key) {
        return fail(ClientError::usage, "the key is not 32 bytes in hexadecimal");
    }
    return key;
}

Outcome import_account(const Context& context, AccountOptions options) {
    TRY(const Workspace workspace, context.open());
    TRY(identity::KeyStore keys, context.keys(workspace));
    TRY(Bytes text, read_input(options.file, kMaxKeyFile,
                        "give the key on standard input or with --file FILE"));
    static constexpr std::string_view kBlank = " \t\r\n";
    std::string_view trimmed = as_text(text);
    trimmed.remove_prefix(std::min(trimmed.find_first_not_of(kBlank), trimmed.size()));
    trimmed = trimmed.substr(0, trimmed.find_last_not_of(kBlank) + 1);
    const auto key = parse_key(context, options, trimmed);
    crypto::wipe(text);
    if (!key) {
        return fail(key.error());
    }
    TRY_VOID(store_new(context, keys, options, *key));
    print(context, {.name = options.name, .address = key->address(), .encrypted = options.encrypt});
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
    CLI::App* made = add("create", "Make a new key", create);
    made->add_option("name", options->name, "What to call it")->required();
    made->add_flag("--encrypt", options->encrypt, "Under a passphrase, as V3 JSON");
    CLI::App* external =
        add("add", "An account whose key an external signer (clef, …) holds", add_external);
    external->add_option("name", options->name, "What to call it")->required();
    external->add_option("address", options->address, "The account")->required();
    external->add_option("--external", options->url, "Where the signer answers JSON-RPC")
        ->type_name("URL")
        ->required();
    (void)add("list", "All accounts", list);
    (void)add("history", "What the account that acts has paid and moved, exact with the chain",
        [](const Context& given, const AccountOptions&) {
            return internal::account_history(given);
        });
    add("debts", "What this home has promised to pay later, and what others owe its node",
        [](const Context& given, const AccountOptions& chosen) {
            return internal::account_debts(given, chosen.offline);
        })
        ->add_flag("--offline", options->offline, "As known here, without asking the nodes");
    (void)add("id",
        "The OpenCloud id that signs this home's requests, and those that it has followed",
        [](const Context& given, const AccountOptions&) { return internal::account_id(given); });
    add("rotate", "Another OpenCloud id, for which the one before gives its word and its key goes",
        [](const Context& given, const AccountOptions& chosen) {
            return internal::account_rotate(given, chosen.leaves_debts);
        })
        ->add_flag("--leave-debts", options->leaves_debts,
            "Also with promises that are not paid: nobody can keep them afterwards");
    add("show", "One account's address", show)
        ->add_option("name", options->name, "Which; default: the one that acts");
    add("encrypt", "Put an account's key under a passphrase", encrypt)
        ->add_option("name", options->name, "Which")
        ->required();
    CLI::App* changed =
        add("passphrase", "Put an account under another passphrase", change_passphrase);
    changed->add_option("name", options->name, "Which")->required();
    changed
        ->add_option("--new-passphrase-file", options->new_passphrase_file,
            "The first line is the new one; - is standard input (DECLOUD_NEW_PASSPHRASE)")
        ->type_name("FILE");
    add("decrypt", "Store an account's key in the clear", decrypt)
        ->add_option("name", options->name, "Which")
        ->required();
    CLI::App* out = add("export", "Write an account's key to a file (0600)", export_account);
    out->add_option("name", options->name, "Which")->required();
    out->add_option("--file", options->file, "Where to")->type_name("FILE")->required();
    out->add_flag("--encrypt", options->encrypt, "As V3 JSON, which other wallets read too");
    CLI::App* in = add("import",
        "Take a key (hexadecimal or V3 JSON) from a file or standard input", import_account);
    in->add_option("name", options->name, "What to call it")->required();
    in->add_option("--file", options->file, "Where it is")->type_name("FILE");
    in->add_flag("--encrypt", options->encrypt, "Under a passphrase; V3 JSON keeps its own");
}

}  // namespace decloud::cli
