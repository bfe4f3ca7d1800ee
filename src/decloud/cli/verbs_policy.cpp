#include "verbs.hpp"

#include <decloud/net/address.hpp>
#include <decloud/node/edge.hpp>
#include <decloud/policy/admission.hpp>
#include <decloud/policy/id.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>

namespace decloud::cli {

namespace {

using policy::Policy;

struct CheckOptions {
    std::string file;
};

struct ExplainOptions {
    std::string file;
    std::vector<std::string> ids;
    std::string service;
    std::string method;
    std::string client = "192.0.2.1";
    std::string currency = "USDC";
    std::string amount;
    std::uint64_t units = 1;
    bool defer = false;
    std::string cid;
    std::string owner;
    std::string name;
    std::optional<std::uint32_t> load;
};

Result<std::filesystem::path> file_of(const Context& context, const std::string& flag) {
    if (!flag.empty()) {
        return std::filesystem::path(flag);
    }
    TRY(const client::Home home, client::locate_home(context.globals.home, context.environment()));
    return home.policy_file();
}

/// Without a file everything is allowed, as at the node.
Result<Policy> load(const std::filesystem::path& file, bool must_exist) {
    auto loaded = Policy::load(file);
    if (!loaded && !must_exist && loaded.error() == make_error_code(CommonError::not_found)) {
        return Policy();
    }
    return loaded;
}

Outcome check(const Context& context, const CheckOptions& options) {
    TRY(const std::filesystem::path file, file_of(context, options.file));
    TRY(const Policy policy, load(file, true));
    const policy::PolicySize size = policy.size();
    const bool open = policy.standard() == policy::Access::allow;
    context.print(
        {{"file", file.string()}, {"valid", true}, {"rules", size.rules}, {"ids", size.ids},
            {"contents", size.contents}, {"default", open ? "allow" : "deny"}},
        fmt::format(
            "{} is valid: {} rules, {} ids, {} denied contents; what no rule is about is {}\n",
            file.string(), size.rules, size.ids, size.contents, open ? "allowed" : "denied"));
    return ExitCode::ok;
}

Result<std::vector<policy::Credential>> credentials_of(const std::vector<std::string>& ids) {
    std::vector<policy::Credential> out;
    for (std::string id : ids) {
        TRY(const std::string_view spelled, policy::normalise_id(id));
        out.push_back({.kind = std::string(policy::kind_of(spelled)), .id = std::string(spelled)});
    }
    return out;
}

std::string commands_text(const json::Object& explained) {
    std::string out;
    for (const json::Value& row : explained.at("commands").as_array()) {
        const json::Object& command = row.as_object();
        out += fmt::format("  {:<14} {}  [{}, line {}]\n",
            std::string_view(command.at("command").as_string()),
            std::string_view(command.at("says").as_string()),
            std::string_view(command.at("rule").as_string()),
            command.at("line").to_number<std::uint32_t>());
    }
    return out;
}

/// What is told of content that is denied before anything else is looked at.
json::Object barred_object(const policy::Rule& rule) {
    return {{"verdict", "content denied"},
        {"why", fmt::format("the content is denied by \"{}\" (line {})", rule.name, rule.line)},
        {"decidedBy", "allow or deny"}, {"rule", rule.name}, {"line", rule.line}};
}

/// As whom the node counts requests from there: the address, or the /64 of it.
Result<std::string> client_of(const std::string& address) {
    net::PeerAddress peer;
    TRY(peer.ip, net::parse_ip_address(address));
    return node::client_key(peer);
}

Outcome explain(const Context& context, const ExplainOptions& options) {
    TRY(const std::filesystem::path file, file_of(context, options.file));
    TRY(const Policy policy, load(file, !options.file.empty()));
    policy::Content content{.cid = options.cid, .name = options.name};
    if (!options.owner.empty()) {
        TRY(content.owner, parse_address(options.owner));
    }
    if (const policy::Rule* rule = policy.barring(content)) {
        const json::Object object = barred_object(*rule);
        context.print(
            object, "content denied: " + json::string_member(object, "why").value() + "\n");
        return ExitCode::ok;
    }
    TRY(const auto credentials, credentials_of(options.ids));
    TRY(const std::string client, client_of(options.client));
    policy::Question question{.service = options.service, .method = options.method};
    question.credentials = credentials;
    question.currency = options.currency;
    question.units = options.units;
    if (options.defer) {
        question.payment = protocol::PaymentHeader::Type::deferred;
    }
    if (!options.amount.empty()) {
        TRY(question.amount, parse_amount(options.amount));
    }
    question.time = context.clock().unix_seconds();
    question.load = options.load.value_or(policy::machine_load());
    const policy::Decision decision = policy.decide(question);
    json::Object object = policy::explain(decision, question);
    std::string text = fmt::format("{}: {}\n{}", policy::to_string(decision.verdict),
        policy::describe(decision, question), commands_text(object));
    json::Array buckets;
    for (const std::string& whose : policy::bucket_owners(policy, decision, question, client)) {
        buckets.emplace_back(whose);
        text += fmt::format("  counted for    {}\n", whose);
    }
    object["countedFor"] = std::move(buckets);
    context.print(object, text);
    return ExitCode::ok;
}

void add_explain(CLI::App& verb, Context& context) {
    const auto options = std::make_shared<ExplainOptions>();
    CLI::App* inner = verb.add_subcommand("explain", "Which rules would decide a request, and why");
    inner->add_option("--service", options->service, "Such as compute")->required();
    inner->add_option("--method", options->method, "Such as call")->required();
    inner->add_option("--id", options->ids, "A credential of the request; may be repeated")
        ->allow_extra_args(false)
        ->type_name("ID");
    inner->add_option("--client", options->client, "From which address")->type_name("ADDRESS");
    inner->add_option("--currency", options->currency, "As in the file; default USDC");
    inner->add_option("--amount", options->amount, "What it pays, in the smallest unit")
        ->type_name("N");
    inner->add_option("--units", options->units, "Of the method; default 1")->type_name("N");
    inner->add_flag("--defer", options->defer, "It promises to pay later");
    inner->add_option("--load", options->load, "Percent; default: this machine's")->type_name("N");
    inner->add_option("--cid", options->cid, "The content that it asks for")->type_name("CID");
    inner->add_option("--owner", options->owner, "Whose deployment it is")->type_name("ADDRESS");
    inner->add_option("--name", options->name, "The registered name that it asks for");
    inner->add_option("--file", options->file, "Instead of the home's policy.toml")
        ->type_name("FILE");
    inner->callback([&context, options] {
        context.action = [&context, options] { return explain(context, *options); };
    });
}

}  // namespace

void add_policy_verbs(CLI::App& app, Context& context) {
    CLI::App* verb = app.add_subcommand("policy", "Who may do what at your node, at what price");
    verb->require_subcommand(1);
    const auto options = std::make_shared<CheckOptions>();
    CLI::App* inner = verb->add_subcommand("check", "Is a policy valid? Exit 64 and why, if not");
    inner->add_option("file", options->file, "Default: policy.toml of the home's config folder")
        ->type_name("FILE");
    inner->callback([&context, options] {
        context.action = [&context, options] { return check(context, *options); };
    });
    add_explain(*verb, context);
}

}  // namespace decloud::cli
