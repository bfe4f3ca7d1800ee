#include "provider_workspace.hpp"

namespace decloud::cli::internal {

Result<Workspace> open_as_provider(const Context& context) {
    TRY(Workspace workspace, context.open());
    if (context.globals.account.empty() && !context.environment()("DECLOUD_ACCOUNT")) {
        workspace.config.account = workspace.config.provider.account;
    }
    return workspace;
}

}  // namespace decloud::cli::internal
