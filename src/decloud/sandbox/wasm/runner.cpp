#include "runner.hpp"

#include "wasi.hpp"

#include <decloud/base/units.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

namespace decloud::sandbox::wasm {

namespace {

constexpr std::int64_t kTableElements = 20'000;

/// How a run ended that did not return from its start function.
struct Abort {
    Owned<wasmtime_error_t> error;
    Owned<wasm_trap_t> trap;

    [[nodiscard]] explicit operator bool() const { return error || trap; }
    [[nodiscard]] std::string text() const {
        return trap ? describe(*trap) : error ? describe(*error) : std::string();
    }
};

class Run {
  public:
    Run(const RunRequest& request, Stdio& stdio, wasmtime_store_t* store)
        : request_(request), context_(wasmtime_store_context(store)) {
        state_.stdio = &stdio;
        state_.environment = request.environment;
        state_.environment_count = request.environment_count;
        wasmtime_context_set_data(context_, &state_);
        const auto memory = std::min(request.memory_bytes, kMaximumMemory);
        wasmtime_store_limiter(store, static_cast<std::int64_t>(memory), kTableElements, 1, 1, 1);
        wasmtime_store_epoch_deadline_callback(store, end_if_stopped, &stdio, nullptr);
        wasmtime_context_set_epoch_deadline(context_, 1);
    }

    Outcome run(const Program& program) {
        Abort abort = instantiate(program);
        const bool instantiated = !abort;
        if (instantiated) {
            abort = start();
        }
        return judge(abort, instantiated);
    }

  private:
    Abort instantiate(const Program& program) {
        Abort abort;
        wasm_trap_t* trap = nullptr;
        abort.error.reset(
            wasmtime_instance_pre_instantiate(program.instance_pre(), context_, &instance_, &trap));
        abort.trap.reset(trap);
        wasmtime_extern_t item{};
        if (!abort && wasmtime_instance_export_get(context_, &instance_, "memory", 6, &item) &&
            item.kind == WASMTIME_EXTERN_MEMORY) {
            state_.memory = item.of.memory;
        }
        return abort;
    }

    Abort start() {
        Abort abort;
        wasmtime_extern_t item{};
        if (!wasmtime_instance_export_get(context_, &instance_, "_start", 6, &item) ||
            item.kind != WASMTIME_EXTERN_FUNC) {
            abort.error.reset(wasmtime_error_new("there is no _start"));
            return abort;
        }
        wasm_trap_t* trap = nullptr;
        abort.error.reset(
            wasmtime_func_call(context_, &item.of.func, nullptr, 0, nullptr, 0, &trap));
        abort.trap.reset(trap);
        return abort;
    }

    Outcome judge(const Abort& abort, bool instantiated) {
        const Stdio& stdio = *state_.stdio;
        Outcome outcome;
        if (stdio.stop() != Stdio::Stop::none) {
            outcome = stopped(stdio.stop());
        } else if (!abort || state_.exit_code) {
            outcome.end = Outcome::End::exited;
            outcome.exit_code = state_.exit_code.value_or(0);
        } else {
            outcome.detail = abort.text();
            outcome.end = instantiated || abort.trap ? Outcome::End::trapped : Outcome::End::limit;
        }
        outcome.peak_bytes =
            state_.memory ? wasmtime_memory_data_size(context_, &*state_.memory) : 0;
        // The engine does not tell that a growth was refused; a program that broke with nearly all
        // of its memory in use did so for want of more.
        const bool broke = outcome.end == Outcome::End::trapped ||
                           (outcome.end == Outcome::End::exited && outcome.exit_code != 0);
        const bool full = outcome.peak_bytes >= request_.memory_bytes / 8 * 7;
        if ((broke && full && request_.memory_bytes > kMiB) ||
            outcome.detail.find("memory minimum size") != std::string::npos) {
            outcome.end = Outcome::End::out_of_memory;
            outcome.detail =
                fmt::format("{} of {} bytes of memory were in use{}{}", outcome.peak_bytes,
                    request_.memory_bytes, outcome.detail.empty() ? "" : ": ", outcome.detail);
        }
        return outcome;
    }

    const RunRequest& request_;
    wasmtime_context_t* context_;
    WasiState state_;
    wasmtime_instance_t instance_{};
};

}  // namespace

std::chrono::microseconds thread_time() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::microseconds(time.tv_sec * 1'000'000 + time.tv_nsec / 1000);
}

wasmtime_error_t* end_if_stopped(wasmtime_context_t* /*context*/,
    void* data,
    std::uint64_t* next,
    wasmtime_update_deadline_kind_t* kind) {
    *next = 1;
    *kind = WASMTIME_UPDATE_DEADLINE_CONTINUE;
    return static_cast<Stdio*>(data)->check() ? nullptr : wasmtime_error_new("the run has ended");
}

Outcome stopped(Stdio::Stop reason) {
    Outcome outcome;
    switch (reason) {
        case Stdio::Stop::timed_out:
            outcome.end = Outcome::End::timed_out;
            outcome.detail = "the time limit was reached";
            break;
        case Stdio::Stop::response_limit:
            outcome.end = Outcome::End::limit;
            outcome.detail = "the answer is larger than allowed";
            break;
        case Stdio::Stop::cancelled:
        case Stdio::Stop::reader_gone:
            outcome.end = Outcome::End::killed;
            outcome.detail = "cancelled";
            break;
        case Stdio::Stop::none:
        case Stdio::Stop::failed:
            outcome.detail = "the worker could not move the program's input or output";
            break;
    }
    return outcome;
}

Outcome run_program(wasm_engine_t& engine,
    const Program& program,
    const RunRequest& request,
    Stdio& stdio,
    Owned<wasmtime_store_t>& store) {
    const auto begin = thread_time();
    store.reset(wasmtime_store_new(&engine, nullptr, nullptr));
    Outcome outcome = Run(request, stdio, store.get()).run(program);
    outcome.cpu = thread_time() - begin;
    outcome.stdout_bytes = stdio.written();
    outcome.stderr_tail = stdio.error_tail();
    return outcome;
}

}  // namespace decloud::sandbox::wasm
