#include "verbs.hpp"

#include <decloud/client/error.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>

namespace decloud::cli {

namespace {

/// The words that may follow a verb: its verbs and its options.
std::string words_of(const CLI::App& verb) {
    std::string out;
    for (const CLI::App* inner : verb.get_subcommands({})) {
        out += inner->get_name() + " ";
    }
    for (const CLI::Option* option : verb.get_options()) {
        for (const std::string& name : option->get_lnames()) {
            out += "--" + name + " ";
        }
    }
    return out;
}

std::string bash_script(const CLI::App& app) {
    std::string cases;
    for (const CLI::App* verb : app.get_subcommands({})) {
        cases += fmt::format("        {}) words=\"{}\" ;;\n", verb->get_name(), words_of(*verb));
        for (const CLI::App* inner : verb->get_subcommands({})) {
            cases += fmt::format("        \"{} {}\") words=\"{}\" ;;\n", verb->get_name(),
                inner->get_name(), words_of(*inner));
        }
    }
    return fmt::format(
        "_decloud() {{\n"
        "    local current=${{COMP_WORDS[COMP_CWORD]}} verb='' word words\n"
        "    for word in \"${{COMP_WORDS[@]:1:COMP_CWORD-1}}\"; do\n"
        "        [[ $word == -* ]] || verb=${{verb:+$verb }}$word\n"
        "    done\n"
        "    case $verb in\n"
        "        '') words=\"{0}\" ;;\n{1}"
        "        *) words=\"{2}\" ;;\n"
        "    esac\n"
        "    mapfile -t COMPREPLY < <(compgen -W \"$words --home --json --account "
        "--passphrase-file\" -- "
        "\"$current\")\n"
        "    [[ ${{#COMPREPLY[@]}} -gt 0 ]] || mapfile -t COMPREPLY < <(compgen -f -- "
        "\"$current\")\n"
        "}}\n"
        "complete -F _decloud decloud\n",
        words_of(app), cases, "");
}

}  // namespace

void add_completion(CLI::App& app, Context& context) {
    const auto shell = std::make_shared<std::string>("bash");
    CLI::App* verb = app.add_subcommand(
        "completion", "A script that completes verbs and flags: source <(decloud completion bash)");
    verb->add_option("shell", *shell, "bash")->capture_default_str();
    verb->callback([&app, &context, shell] {
        context.action = [&app, shell]() -> Outcome {
            if (*shell != "bash") {
                return fail(ClientError::usage, "completion is for bash");
            }
            TRY_VOID(write_output(as_bytes(bash_script(app))));
            return ExitCode::ok;
        };
    });
}

}  // namespace decloud::cli
