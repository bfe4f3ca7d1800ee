#include "compile_worker.hpp"

#include "../internal/one_shot.hpp"
#include "../internal/package.hpp"
#include "component.hpp"
#include "engine.hpp"
#include "verifier.hpp"
#include "wasi.hpp"

namespace decloud::sandbox::wasm {

using internal::MappedFile;
using internal::UniqueFd;
using internal::WireReader;
using internal::WireWriter;

namespace {

Result<UniqueFd> compile_component(BytesView code) {
    TRY(const ComponentEngine engine, ComponentEngine::make(0));
    return engine.compile(code);
}

Result<Owned<wasmtime_module_t>> compile_module(wasm_engine_t& engine, BytesView code) {
    wasmtime_module_t* module = nullptr;
    const Owned<wasmtime_error_t> error(
        wasmtime_module_new(&engine, code.data(), code.size(), &module));
    if (error) {
        return fail(CommonError::invalid_input, "compiling: " + describe(*error));
    }
    return Owned<wasmtime_module_t>(module);
}

Result<UniqueFd> serialize(const wasmtime_module_t& module) {
    wasm_byte_vec_t serialized{};
    const Owned<wasmtime_error_t> failed(wasmtime_module_serialize(&module, &serialized));
    if (failed) {
        return fail(CommonError::internal, "serializing: " + describe(*failed));
    }
    auto memory = internal::make_sealed_memory(
        {reinterpret_cast<const std::uint8_t*>(serialized.data), serialized.size});
    wasm_byte_vec_delete(&serialized);
    return memory;
}

Result<UniqueFd> compile_command(BytesView code) {
    const auto engine = make_engine(0);
    const Owned<wasmtime_linker_t> linker(wasmtime_linker_new(engine.get()));
    TRY_VOID(define_wasi(*linker));
    TRY(auto module, compile_module(*engine, code));
    TRY(const Program program, Program::make(*linker, std::move(module)));
    return serialize(program.module());
}

Result<UniqueFd> compile_verifier(BytesView code) {
    const auto engine = make_verifier_engine(0);
    TRY(auto module, compile_module(*engine, code));
    TRY(const VerifierProgram verifier, VerifierProgram::make(*engine, std::move(module)));
    return serialize(verifier.module());
}

Result<UniqueFd> compile(Purpose purpose, BytesView code) {
    if (purpose == Purpose::verifiers) {
        return compile_verifier(code);
    }
    return is_component_file(code) ? compile_component(code) : compile_command(code);
}

}  // namespace

Bytes make_compile_request(Purpose purpose, const std::string& entry, const CompileLimits& limits) {
    WireWriter request;
    request.put(purpose);
    request.put_text(entry);
    request.put(limits.unpacked_bytes);
    request.put(limits.memory_bytes);
    request.put(static_cast<std::uint64_t>(limits.cpu.count()));
    return request.take();
}

int compile_worker_main(int socket, const internal::AcceptedLayers& accepted) {
    return internal::serve_one_shot(
        socket, [&](WireReader request, std::span<UniqueFd> fds) -> Result<UniqueFd> {
            const auto purpose = request.get<Purpose>();
            const std::string entry(request.get_text());
            const internal::PackageLimits limits{.total_bytes = request.get<std::uint64_t>()};
            const auto memory = request.get<std::uint64_t>();
            const auto cpu = request.get<std::uint64_t>();
            if (!request.complete() || fds.size() != 1) {
                return fail(CommonError::internal, "bad request");
            }
            TRY(const MappedFile zip, MappedFile::open(fds[0].get()));
            TRY_VOID(internal::confine({.address_space_bytes = memory,
                                           .cpu_seconds = cpu,
                                           .system_calls = internal::SystemCalls::one_shot},
                accepted));
            TRY(const Bytes code, internal::read_package_file(zip.view(), limits, entry));
            return compile(purpose, code);
        });
}

}  // namespace decloud::sandbox::wasm
