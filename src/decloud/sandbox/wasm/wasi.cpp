#include "wasi.hpp"

#include "guest_memory.hpp"
#include "wasi_poll.hpp"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <string_view>
#include <vector>

namespace decloud::sandbox::wasm {

namespace {

using Values = wasmtime_val_raw_t*;
using Stream = WasiState::Stream;

constexpr std::string_view kModule = "wasi_snapshot_preview1";
constexpr std::uint32_t kMaximumVectors = 1024;
constexpr std::uint64_t kRightRead = 1ULL << 1;
constexpr std::uint64_t kRightWrite = 1ULL << 6;
constexpr std::uint64_t kRightPoll = 1ULL << 27;

/// One call of a host function: its arguments, the run and the program's memory.
class Call {
  public:
    Call(wasmtime_caller_t* caller, Values values)
        : values_(values), context_(wasmtime_caller_context(caller)) {
        state_ = static_cast<WasiState*>(wasmtime_context_get_data(context_));
        if (!state_->memory) {
            find_memory(caller);
        }
    }
    [[nodiscard]] WasiState& state() const { return *state_; }
    [[nodiscard]] Stdio& stdio() const { return *state_->stdio; }
    [[nodiscard]] std::uint32_t u32(std::size_t index) const {
        return static_cast<std::uint32_t>(values_[index].i32);
    }
    [[nodiscard]] std::uint64_t u64(std::size_t index) const {
        return static_cast<std::uint64_t>(values_[index].i64);
    }
    [[nodiscard]] GuestMemory memory() const {
        if (!state_->memory) {
            return GuestMemory({});
        }
        return GuestMemory({wasmtime_memory_data(context_, &*state_->memory),
            wasmtime_memory_data_size(context_, &*state_->memory)});
    }
    [[nodiscard]] Stream stream(std::uint32_t descriptor) const {
        return descriptor < state_->descriptors.size() ? state_->descriptors[descriptor]
                                                       : Stream::closed;
    }
    wasm_trap_t* finish(Errno result) const {
        values_[0].i32 = static_cast<std::int32_t>(result);
        return nullptr;
    }

  private:
    /// Only before the first use of a program that calls us from its start section.
    void find_memory(wasmtime_caller_t* caller) {
        wasmtime_extern_t item{};
        if (wasmtime_caller_export_get(caller, "memory", 6, &item) &&
            item.kind == WASMTIME_EXTERN_MEMORY) {
            state_->memory = item.of.memory;
        }
    }

    Values values_;
    wasmtime_context_t* context_;
    WasiState* state_ = nullptr;
};

wasm_trap_t* end_run() {
    constexpr std::string_view kText = "the run has ended";
    return wasmtime_trap_new(kText.data(), kText.size());
}

/// Makes a callback of a function from Call to Errno.
template <Errno (*Function)(Call&)>
wasm_trap_t* simple(void*, wasmtime_caller_t* caller, Values values, std::size_t) {
    Call call(caller, values);
    return call.finish(Function(call));
}

/// The same for functions that may end the run.
template <Errno (*Function)(Call&)>
wasm_trap_t* stopping(void*, wasmtime_caller_t* caller, Values values, std::size_t) {
    Call call(caller, values);
    const Errno result = Function(call);
    if (call.stdio().stop() != Stdio::Stop::none) {
        return end_run();
    }
    return call.finish(result);
}

Errno done_if(bool stored) { return stored ? Errno::success : Errno::fault; }

Errno args_sizes_get(Call& call) {
    return done_if(call.memory().store<std::uint32_t>(call.u32(0), 0) &&
                   call.memory().store<std::uint32_t>(call.u32(1), 0));
}

Errno succeed(Call&) { return Errno::success; }

Errno environ_sizes_get(Call& call) {
    const auto size = static_cast<std::uint32_t>(call.state().environment.size());
    return done_if(call.memory().store(call.u32(0), call.state().environment_count) &&
                   call.memory().store(call.u32(1), size));
}

Errno environ_get(Call& call) {
    const BytesView text = call.state().environment;
    const auto memory = call.memory();
    const std::uint32_t count = call.state().environment_count;
    const std::uint32_t address = call.u32(1);
    const auto pointers = memory.range(call.u32(0), std::uint64_t{count} * 4);
    const auto target = memory.range(address, text.size());
    if (!pointers || !target) {
        return Errno::fault;
    }
    std::ranges::copy(text, target->begin());
    std::size_t start = 0;
    for (std::uint32_t i = 0; i < count && start < text.size(); ++i) {
        const auto pointer = static_cast<std::uint32_t>(address + start);
        std::memcpy(pointers->data() + std::size_t{i} * 4, &pointer, sizeof pointer);
        start = as_text(text).find('\0', start) + 1;
    }
    return Errno::success;
}

std::optional<clockid_t> clock_of(std::uint32_t id) {
    constexpr std::array<clockid_t, 4> kClocks{
        CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_THREAD_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
    return id < kClocks.size() ? std::optional(kClocks[id]) : std::nullopt;
}

std::uint64_t nanoseconds(const timespec& time) {
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(time.tv_nsec);
}

Errno clock_res_get(Call& call) {
    const auto clock = clock_of(call.u32(0));
    timespec time{};
    if (!clock || ::clock_getres(*clock, &time) != 0) {
        return Errno::invalid;
    }
    return done_if(call.memory().store(call.u32(1), nanoseconds(time)));
}

Errno clock_time_get(Call& call) {
    const auto clock = clock_of(call.u32(0));
    timespec time{};
    if (!clock || ::clock_gettime(*clock, &time) != 0) {
        return Errno::invalid;
    }
    return done_if(call.memory().store(call.u32(2), nanoseconds(time)));
}

Errno random_get(Call& call) {
    const auto target = call.memory().range(call.u32(0), call.u32(1));
    if (!target) {
        return Errno::fault;
    }
    std::span<std::uint8_t> rest = *target;
    while (!rest.empty()) {
        if (!call.stdio().check()) {
            return Errno::io;
        }
        const std::size_t part = std::min<std::size_t>(rest.size(), 1 << 20);
        const ssize_t count = ::getrandom(rest.data(), part, 0);
        if (count < 0 && errno != EINTR) {
            return Errno::io;
        }
        rest = rest.subspan(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    }
    return Errno::success;
}

/// Calls `each(bytes)` for the vectors at `address`; stops when it returns false.
template <class Each>
Errno for_each_vector(Call& call, std::uint32_t address, std::uint32_t count, Each each) {
    if (count > kMaximumVectors) {
        return Errno::invalid;
    }
    const auto memory = call.memory();
    const auto vectors = memory.range(address, std::uint64_t{count} * 8);
    if (!vectors) {
        return Errno::fault;
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        std::array<std::uint32_t, 2> vector{};
        std::memcpy(vector.data(), vectors->data() + std::size_t{i} * 8, 8);
        const auto bytes = memory.range(vector[0], vector[1]);
        if (!bytes) {
            return Errno::fault;
        }
        if (!bytes->empty() && !each(*bytes)) {
            break;
        }
    }
    return Errno::success;
}

Errno fd_read(Call& call) {
    if (call.stream(call.u32(0)) != Stream::input) {
        return Errno::bad_descriptor;
    }
    std::uint32_t total = 0;
    const Errno result =
        for_each_vector(call, call.u32(1), call.u32(2), [&](std::span<std::uint8_t> target) {
            // Later vectors are filled only from what is there already.
            if (total > 0 && !call.stdio().readable()) {
                return false;
            }
            const std::size_t count = call.stdio().read(target);
            total += static_cast<std::uint32_t>(count);
            return count == target.size();
        });
    if (result != Errno::success) {
        return result;
    }
    return done_if(call.memory().store(call.u32(3), total));
}

Errno fd_write(Call& call) {
    const Stream stream = call.stream(call.u32(0));
    if (stream != Stream::output && stream != Stream::error) {
        return Errno::bad_descriptor;
    }
    std::uint32_t total = 0;
    const Errno result =
        for_each_vector(call, call.u32(1), call.u32(2), [&](std::span<std::uint8_t> source) {
            total += static_cast<std::uint32_t>(source.size());
            if (stream == Stream::output) {
                return call.stdio().write(source);
            }
            call.stdio().write_error(source);
            return true;
        });
    if (result != Errno::success) {
        return result;
    }
    return done_if(call.memory().store(call.u32(3), total));
}

template <Errno Otherwise>
Errno refuse_open(Call& call) {
    return call.stream(call.u32(0)) == Stream::closed ? Errno::bad_descriptor : Otherwise;
}

Errno fd_close(Call& call) {
    if (call.stream(call.u32(0)) == Stream::closed) {
        return Errno::bad_descriptor;
    }
    call.state().descriptors[call.u32(0)] = Stream::closed;
    return Errno::success;
}

Errno fd_renumber(Call& call) {
    const Stream from = call.stream(call.u32(0));
    if (from == Stream::closed || call.stream(call.u32(1)) == Stream::closed) {
        return Errno::bad_descriptor;
    }
    call.state().descriptors[call.u32(0)] = Stream::closed;
    call.state().descriptors[call.u32(1)] = from;
    return Errno::success;
}

Errno fd_fdstat_get(Call& call) {
    const Stream stream = call.stream(call.u32(0));
    if (stream == Stream::closed) {
        return Errno::bad_descriptor;
    }
    // Type "unknown", as for a pipe: C libraries then buffer whole blocks.
    std::array<std::uint64_t, 3> status{};
    status[1] = kRightPoll | (stream == Stream::input ? kRightRead : kRightWrite);
    return done_if(call.memory().store(call.u32(1), status));
}

Errno fd_filestat_get(Call& call) {
    if (call.stream(call.u32(0)) == Stream::closed) {
        return Errno::bad_descriptor;
    }
    std::array<std::uint64_t, 8> status{};
    status[3] = 1;
    return done_if(call.memory().store(call.u32(1), status));
}

Errno poll_oneoff(Call& call) {
    const auto is_open = [&](std::uint32_t descriptor, bool for_input) {
        const Stream stream = call.stream(descriptor);
        return for_input ? stream == Stream::input
                         : stream == Stream::output || stream == Stream::error;
    };
    return poll_subscriptions(call.stdio(), call.memory(),
        {.subscriptions = call.u32(0),
            .events = call.u32(1),
            .count = call.u32(2),
            .result = call.u32(3)},
        is_open);
}

Errno bad_descriptor(Call&) { return Errno::bad_descriptor; }
Errno not_supported(Call&) { return Errno::not_supported; }

wasm_trap_t* proc_exit(void*, wasmtime_caller_t* caller, Values values, std::size_t) {
    const Call call(caller, values);
    call.state().exit_code = static_cast<int>(call.u32(0) & 0xFF);
    return end_run();
}

struct Definition {
    std::string_view name;
    /// i and I are 32 and 64 bits wide. Every function but proc_exit gives an errno.
    std::string_view parameters;
    wasmtime_func_unchecked_callback_t callback;
};

constexpr auto kSeek = simple<refuse_open<Errno::invalid_seek>>;
constexpr auto kInvalid = simple<refuse_open<Errno::invalid>>;
constexpr auto kNoFolder = simple<refuse_open<Errno::not_directory>>;
constexpr auto kNoSocket = simple<refuse_open<Errno::not_socket>>;
constexpr auto kNothing = simple<refuse_open<Errno::success>>;

constexpr std::array kFunctions{
    Definition{"args_get", "ii", simple<succeed>},
    Definition{"args_sizes_get", "ii", simple<args_sizes_get>},
    Definition{"environ_get", "ii", simple<environ_get>},
    Definition{"environ_sizes_get", "ii", simple<environ_sizes_get>},
    Definition{"clock_res_get", "ii", simple<clock_res_get>},
    Definition{"clock_time_get", "iIi", simple<clock_time_get>},
    Definition{"fd_advise", "iIIi", kSeek},
    Definition{"fd_allocate", "iII", kInvalid},
    Definition{"fd_close", "i", simple<fd_close>},
    Definition{"fd_datasync", "i", kInvalid},
    Definition{"fd_fdstat_get", "ii", simple<fd_fdstat_get>},
    Definition{"fd_fdstat_set_flags", "ii", kNothing},
    Definition{"fd_fdstat_set_rights", "iII", kNothing},
    Definition{"fd_filestat_get", "ii", simple<fd_filestat_get>},
    Definition{"fd_filestat_set_size", "iI", kInvalid},
    Definition{"fd_filestat_set_times", "iIIi", kInvalid},
    Definition{"fd_pread", "iiiIi", kSeek},
    Definition{"fd_prestat_get", "ii", simple<bad_descriptor>},
    Definition{"fd_prestat_dir_name", "iii", simple<bad_descriptor>},
    Definition{"fd_pwrite", "iiiIi", kSeek},
    Definition{"fd_read", "iiii", stopping<fd_read>},
    Definition{"fd_readdir", "iiiIi", kNoFolder},
    Definition{"fd_renumber", "ii", simple<fd_renumber>},
    Definition{"fd_seek", "iIii", kSeek},
    Definition{"fd_sync", "i", kInvalid},
    Definition{"fd_tell", "ii", kSeek},
    Definition{"fd_write", "iiii", stopping<fd_write>},
    Definition{"path_create_directory", "iii", kNoFolder},
    Definition{"path_filestat_get", "iiiii", kNoFolder},
    Definition{"path_filestat_set_times", "iiiiIIi", kNoFolder},
    Definition{"path_link", "iiiiiii", kNoFolder},
    Definition{"path_open", "iiiiiIIii", kNoFolder},
    Definition{"path_readlink", "iiiiii", kNoFolder},
    Definition{"path_remove_directory", "iii", kNoFolder},
    Definition{"path_rename", "iiiiii", kNoFolder},
    Definition{"path_symlink", "iiiii", simple<not_supported>},
    Definition{"path_unlink_file", "iii", kNoFolder},
    Definition{"poll_oneoff", "iiii", stopping<poll_oneoff>},
    Definition{"proc_exit", "i", proc_exit},
    Definition{"proc_raise", "i", simple<not_supported>},
    Definition{"random_get", "ii", stopping<random_get>},
    Definition{"sched_yield", "", stopping<succeed>},
    Definition{"sock_accept", "iii", kNoSocket},
    Definition{"sock_recv", "iiiiii", kNoSocket},
    Definition{"sock_send", "iiiii", kNoSocket},
    Definition{"sock_shutdown", "ii", kNoSocket},
};

Owned<wasm_functype_t> make_type(const Definition& definition) {
    std::vector<wasm_valtype_t*> types;
    for (const char letter : definition.parameters) {
        types.push_back(wasm_valtype_new(letter == 'I' ? WASM_I64 : WASM_I32));
    }
    wasm_valtype_vec_t parameters{};
    wasm_valtype_vec_new(&parameters, types.size(), types.data());
    wasm_valtype_vec_t results{};
    if (definition.name == "proc_exit") {
        wasm_valtype_vec_new_empty(&results);
    } else {
        wasm_valtype_t* errno_type = wasm_valtype_new(WASM_I32);
        wasm_valtype_vec_new(&results, 1, &errno_type);
    }
    return Owned<wasm_functype_t>(wasm_functype_new(&parameters, &results));
}

}  // namespace

Result<void> define_wasi(wasmtime_linker_t& linker) {
    for (const Definition& definition : kFunctions) {
        const auto type = make_type(definition);
        const Owned<wasmtime_error_t> error(wasmtime_linker_define_func_unchecked(&linker,
            kModule.data(), kModule.size(), definition.name.data(), definition.name.size(),
            type.get(), definition.callback, nullptr, nullptr));
        if (error) {
            return fail(CommonError::internal, describe(*error));
        }
    }
    return {};
}

}  // namespace decloud::sandbox::wasm
