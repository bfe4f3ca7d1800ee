#include "verbs.hpp"

#include <decloud/client/error.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>

namespace decloud::cli {

namespace {

/// A word that bash puts the names of this home's functions in place of.
constexpr std::string_view kFunctions = "@functions";

/// In bash: what follows a path of verbs, what follows an option, and which options take a value.
struct Tables {
    std::string words;
    std::string choices;
    std::set<std::string> valued;
};

std::vector<std::string> names_of(const CLI::Option& option) {
    std::vector<std::string> out;
    for (const std::string& name : option.get_lnames()) {
        out.push_back("--" + name);
    }
    for (const std::string& name : option.get_snames()) {
        out.push_back("-" + name);
    }
    return out;
}

/// Of an option that takes one of a set: "TEXT:{one,two}".
std::string choices_of(const CLI::Option& option) {
    const std::string type = option.get_type_name();
    const std::size_t begin = type.find('{');
    const std::size_t end = type.find('}');
    if (begin == std::string::npos || end == std::string::npos) {
        return {};
    }
    std::string out = type.substr(begin + 1, end - begin - 1);
    std::ranges::replace(out, ',', ' ');
    return out;
}

void add_options(const CLI::App& verb, const std::string& path, Tables& tables) {
    for (const CLI::Option* option : verb.get_options()) {
        const bool takes_value = option->get_items_expected_max() > 0;
        for (const std::string& name : names_of(*option)) {
            tables.words += " " + name;
            if (takes_value) {
                tables.valued.insert(name);
            }
            if (const std::string choices = choices_of(*option); !choices.empty()) {
                tables.choices += fmt::format("        ['{} {}']='{}'\n", path, name, choices);
            }
        }
        if (option->get_positional() && option->get_name(true) == "function") {
            tables.words += " " + std::string(kFunctions);
        }
    }
}

void add_verb(const CLI::App& verb, const std::string& path, Tables& tables) {
    tables.words += fmt::format("        ['{}']='", path.empty() ? "." : path);
    for (const CLI::App* inner : verb.get_subcommands({})) {
        tables.words += " " + inner->get_name();
    }
    add_options(verb, path, tables);
    tables.words += "'\n";
    for (const CLI::App* inner : verb.get_subcommands({})) {
        add_verb(*inner, path.empty() ? inner->get_name() : path + " " + inner->get_name(), tables);
    }
}

/// The words before the cursor are a path of verbs, options, their values and others; the last
/// tells what may come.
constexpr std::string_view kScript = R"bash(_decloud() {
    local -A words=(
@words@    )
    local -A choices=(
@choices@    )
    local valued=' @valued@ ' current=${COMP_WORDS[COMP_CWORD]} path='' word next value='' found
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        if [[ $value ]]; then
            value=''
        elif [[ $word == -* ]]; then
            [[ $valued != *" $word "* ]] || value=$word
        else
            next=${path:+$path }$word
            [[ ! -v words[$next] ]] || path=$next
        fi
    done
    if [[ $value ]]; then
        found=${choices[$path $value]:-}
    else
        found="${words[${path:-.}]}${path:+ @globals@}"
        if [[ $found == *' @functions'* && $current != -* ]]; then
            found=$("${COMP_WORDS[0]}" ls 2>/dev/null | cut -d ' ' -f 1)
        fi
        found=${found//@functions/}
    fi
    mapfile -t COMPREPLY < <(compgen -W "$found" -- "$current")
    if [[ ${#COMPREPLY[@]} -eq 0 ]]; then
        compopt -o filenames 2>/dev/null || true
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}
complete -F _decloud decloud
)bash";

void put(std::string& script, std::string_view place, std::string_view text) {
    script.replace(script.find(place), place.size(), text);
}

std::string bash_script(const CLI::App& app) {
    Tables tables;
    add_verb(app, {}, tables);
    std::string globals;
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : names_of(*option)) {
            globals += name + " ";
        }
    }
    std::string script(kScript);
    put(script, "@words@", tables.words);
    put(script, "@choices@", tables.choices);
    put(script, "@valued@", fmt::format("{}", fmt::join(tables.valued, " ")));
    put(script, "@globals@", globals);
    return script;
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
