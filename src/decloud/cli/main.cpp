#include "main.hpp"

#include "internal/passphrase.hpp"
#include "verbs.hpp"

#include <decloud/base/version.hpp>
#include <decloud/identity/error.hpp>

#include <CLI/CLI.hpp>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>

namespace decloud::cli {

namespace {

constexpr const char* kFooter =
    "Exit codes: 0 ok, 1 failure, 2 cancelled, 3 not found, 4 not authorised,\n"
    "5 payment or limit, 6 network, 64 usage; 141 in a shell (SIGPIPE) if the reader of\n"
    "standard output has gone away.\n"
    "Settings: flags over DECLOUD_* over the project's decloud.toml over config.toml.";

void add_globals(CLI::App& app, Context& context) {
    app.add_option(
           "--home", context.globals.home, "The folder of this cloud (DECLOUD_HOME; else XDG)")
        ->type_name("DIR");
    app.add_option("--account", context.globals.account, "Which of the home's accounts acts")
        ->type_name("NAME");
    app.add_option("--passphrase-file", context.globals.passphrase_file,
           "The first line opens encrypted accounts; - is standard input (DECLOUD_PASSPHRASE)")
        ->type_name("FILE");
    app.add_flag("--json", context.globals.json, "Data as JSON on standard output");
}

void let_options_fall_through(CLI::App& app) {
    for (CLI::App* verb : app.get_subcommands({})) {
        verb->fallthrough();
        let_options_fall_through(*verb);
    }
}

/// The first word that is where a verb belongs and is none; empty if there is no such word.
std::string unknown_verb(const CLI::App& app, std::span<char*> args) {
    for (const char* const arg : args.subspan(std::min<std::size_t>(args.size(), 1))) {
        const std::string word(arg);
        if (word == "--home" || word == "--account" || word == "--passphrase-file") {
            return {};
        }
        if (!word.starts_with("-")) {
            const auto named =
                app.get_subcommands([&](const CLI::App* verb) { return verb->get_name() == word; });
            return named.empty() ? word : std::string();
        }
    }
    return {};
}

int finish(const Outcome& outcome) {
    if (output_is_closed()) {
        (void)std::signal(SIGPIPE, SIG_DFL);
        (void)std::raise(SIGPIPE);
    }
    if (!outcome) {
        tell_error(outcome.error());
        if (outcome.error() == make_error_code(IdentityError::wrong_passphrase)) {
            tell("help: give another with --passphrase-file FILE, or DECLOUD_PASSPHRASE");
        }
        return static_cast<int>(exit_code(outcome.error()));
    }
    return static_cast<int>(*outcome);
}

/// Each connection takes a descriptor, and most shells start programs with 1,024.
void allow_many_connections() {
    constexpr rlim_t kEnough = 65'536;
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < kEnough) {
        limit.rlim_cur = std::min(limit.rlim_max, kEnough);
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

}  // namespace

int main(std::span<char*> args) {
    // No core dump and no debugger of the same user may read keys.
    prctl(PR_SET_DUMPABLE, 0);
    allow_many_connections();
    (void)std::signal(SIGPIPE, SIG_IGN);
    end_cancelled_on_interrupt();
    Context context;
    context.passphrases = std::make_shared<internal::PassphraseReader>();
    CLI::App app("decloud: sell and call functions, paid per request", "decloud");
    app.set_version_flag("--version", "decloud " + std::string(version()));
    app.footer(kFooter);
    app.require_subcommand(1);
    add_globals(app, context);
    add_up(app, context);
    add_function_verbs(app, context);
    add_version_verbs(app, context);
    add_secret_verbs(app, context);
    add_dev(app, context);
    add_logs(app, context);
    add_call(app, context);
    add_pay_proxy(app, context);
    add_daemon(app, context);
    add_request(app, context);
    add_account_verbs(app, context);
    add_escrow_verbs(app, context);
    add_provider_verbs(app, context);
    add_policy_verbs(app, context);
    add_gateway_verbs(app, context);
    add_alias_verbs(app, context);
    add_content_verbs(app, context);
    add_service_verbs(app, context);
    add_receipt_verbs(app, context);
    add_status(app, context);
    add_doctor(app, context);
    add_completion(app, context);
    let_options_fall_through(app);
    try {
        app.parse(static_cast<int>(args.size()), args.data());
    } catch (const CLI::Success& shown) {
        return app.exit(shown);
    } catch (const CLI::ParseError& error) {
        if (const std::string word = unknown_verb(app, args); !word.empty()) {
            tell("decloud: there is no verb " + word + "; decloud --help lists them");
            return static_cast<int>(ExitCode::usage);
        }
        (void)app.exit(error, std::cerr, std::cerr);
        return static_cast<int>(ExitCode::usage);
    }
    if (const std::string& file = context.globals.passphrase_file; !file.empty()) {
        if (auto read = context.passphrases->read_file(file); !read) {
            return finish(fail(std::move(read.error())));
        }
    }
    return finish(context.action());
}

}  // namespace decloud::cli
