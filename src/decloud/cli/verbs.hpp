#pragma once

#include "context.hpp"

namespace CLI {
class App;
}

namespace decloud::cli {

/// Each adds its verbs to the program; a verb that was parsed sets `context.action`. App and
/// context outlive what is parsed.
void add_up(CLI::App& app, Context& context);
void add_function_verbs(CLI::App& app, Context& context);
void add_version_verbs(CLI::App& app, Context& context);
void add_secret_verbs(CLI::App& app, Context& context);
void add_dev(CLI::App& app, Context& context);
void add_logs(CLI::App& app, Context& context);
void add_call(CLI::App& app, Context& context);
void add_pay_proxy(CLI::App& app, Context& context);
void add_daemon(CLI::App& app, Context& context);
void add_request(CLI::App& app, Context& context);
void add_account_verbs(CLI::App& app, Context& context);
void add_escrow_verbs(CLI::App& app, Context& context);
void add_provider_verbs(CLI::App& app, Context& context);
void add_policy_verbs(CLI::App& app, Context& context);
void add_receipt_verbs(CLI::App& app, Context& context);
/// Under `decloud escrow`.
void add_economics(CLI::App& escrow, Context& context);
/// Under `decloud provider`.
void add_rotate_key(CLI::App& provider, Context& context);
void add_trial_verbs(CLI::App& provider, Context& context);
void add_gateway_verbs(CLI::App& app, Context& context);
void add_alias_verbs(CLI::App& app, Context& context);
void add_content_verbs(CLI::App& app, Context& context);
void add_service_verbs(CLI::App& app, Context& context);
void add_status(CLI::App& app, Context& context);
void add_doctor(CLI::App& app, Context& context);
void add_completion(CLI::App& app, Context& context);

}  // namespace decloud::cli
