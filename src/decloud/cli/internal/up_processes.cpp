#include "up_processes.hpp"

#include "chain_state.hpp"
#include "restart_pause.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/client/error.hpp>
#include <decloud/client/http.hpp>

#include <fmt/format.h>

namespace decloud::cli::internal {

namespace fs = std::filesystem;

namespace {

constexpr auto kReadyLimit = std::chrono::seconds(60);
constexpr auto kReadyPoll = std::chrono::milliseconds(50);
constexpr auto kWatchPoll = std::chrono::milliseconds(200);
constexpr auto kKeepState = std::chrono::seconds(5);
constexpr auto kGatewayGrace = std::chrono::seconds(10);
constexpr auto kNodeGrace = std::chrono::seconds(25);

chain::AnvilSettings anvil_settings(const UpState& state, fs::path program) {
    return {.program = std::move(program),
        .port = state.options.chain_port,
        .chain_id = state.workspace.config.chain.chain_id,
        .state = state.workspace.home.chain() / "state.json",
        .log = state.workspace.home.logs() / "chain.log"};
}

Result<fs::path> find_program(const fs::path& examples) {
    const fs::path folder = own_program().parent_path();
    return chain::find_anvil({}, {folder / "..", examples / "..", folder});
}

}  // namespace

fs::path own_program() {
    std::error_code failed;
    fs::path path = fs::read_symlink("/proc/self/exe", failed);
    return failed ? fs::path("/proc/self/exe") : path;
}

async::Task<Result<void>> UpProcesses::start_chain() {
    CO_TRY(fs::path program, find_program(state_.examples));
    chain::AnvilSettings settings = anvil_settings(state_, std::move(program));
    if (restore_chain_state(settings.state)) {
        tell("decloud: the chain's state was cut off by a kill; it goes on some seconds earlier");
    }
    CO_TRY(chain_, co_await chain::DevelopmentChain::start(executor_, std::move(settings)));
    co_return Result<void>{};
}

std::vector<std::string> UpProcesses::with_home(std::vector<std::string> words) const {
    if (!state_.workspace.home.root.empty()) {
        words.emplace_back("--home");
        words.push_back(state_.workspace.home.root.string());
    }
    return words;
}

Result<void> UpProcesses::start(Part& part) {
    std::vector<std::string> words{own_program().string()};
    words.insert(words.end(), part.words.begin(), part.words.end());
    TRY(part.process, async::ChildProcess::start(
                          executor_, std::move(words), state_.workspace.home.logs() / part.log));
    return {};
}

async::Task<Result<void>> UpProcesses::start_node_and_gateway() {
    node_.words = with_home({"provider", "run"});
    gateway_.words = with_home({"gateway", "run"});
    CO_TRY_VOID(start(node_));
    CO_TRY_VOID(start(gateway_));
    CO_TRY_VOID(co_await wait_ready(node_, local_url(state_.options.node_port)));
    co_return co_await wait_ready(gateway_, local_url(state_.options.gateway_port));
}

async::Task<Result<void>> UpProcesses::wait_ready(Part& part, std::string url) {
    const auto http = client::make_http_client(executor_);
    const auto end = std::chrono::steady_clock::now() + kReadyLimit;
    CO_TRY(const net::Url ready, net::parse_url(url + "/readyz"));
    Result<void> out;
    for (;;) {
        const auto answer = co_await async::with_timeout(
            std::chrono::seconds(5), client::fetch(*http, ready, {}, 65'536));
        if (answer) {
            break;
        }
        if (!part.process->running()) {
            out = fail(ClientError::command,
                fmt::format("{} ended: {}", part.what, part.process->last_words()));
            break;
        }
        if (std::chrono::steady_clock::now() > end) {
            out = fail(
                CommonError::timeout, fmt::format("{} was not ready in time: {}\n{}", part.what,
                                          answer.error().message(), part.process->last_words()));
            break;
        }
        co_await async::delay(kReadyPoll);
    }
    co_await http->stop();
    co_return out;
}

void UpProcesses::keep_running() {
    keepers_.spawn(keep_chain());
    keepers_.spawn(keep(node_));
    keepers_.spawn(keep(gateway_));
}

async::Task<void> UpProcesses::keep(Part& part) {
    RestartPause pause;
    auto started_at = std::chrono::steady_clock::now();
    while (!stopping_) {
        co_await part.process->wait_exit();
        if (stopping_) {
            co_return;
        }
        tell(fmt::format("decloud: {} ended and is started again; its log: {}", part.what,
            (state_.workspace.home.logs() / part.log).string()));
        co_await async::delay(pause.after(std::chrono::steady_clock::now() - started_at));
        started_at = std::chrono::steady_clock::now();
        if (auto started = start(part); !started) {
            tell_error(started.error());
        }
    }
}

async::Task<void> UpProcesses::keep_chain() {
    while (!stopping_) {
        if (chain_ && chain_->running()) {
            if (const auto now = std::chrono::steady_clock::now(); now >= keep_state_at_) {
                keep_chain_state(anvil_settings(state_, {}).state);
                keep_state_at_ = now + kKeepState;
            }
            co_await async::delay(kWatchPoll);
            continue;
        }
        tell("decloud: the chain ended and is started again");
        chain_.reset();
        auto started = co_await start_chain();
        if (!started) {
            tell_error(started.error());
            co_await async::delay(RestartPause::kLongest);
        }
    }
}

async::Task<void> UpProcesses::stop() {
    stopping_ = true;
    keepers_.cancel();
    co_await keepers_.join();
    if (gateway_.process) {
        co_await gateway_.process->stop(kGatewayGrace);
    }
    if (node_.process) {
        co_await node_.process->stop(kNodeGrace);
    }
    if (chain_) {
        co_await chain_->stop();
    }
}

}  // namespace decloud::cli::internal
