#include "error.hpp"
#include "internal/variables.hpp"
#include "project.hpp"

#include <decloud/store/atomic_file.hpp>

#include <fmt/format.h>

#include <string>

namespace decloud::client {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kProgram = R"(#include <stdio.h>
#include <stdlib.h>

/* A request's method, path and query are in the environment, its body is standard input.
   What is printed is the answer; a header block before it is optional. */
int main(void) {
    const char* query = getenv("QUERY_STRING");
    printf("Content-Type: text/plain\n\nhello from %s\n", query && *query ? query : "decloud");
    return 0;
}
)";

constexpr std::string_view kManifest = R"(name = "{0}"
runtime = "{1}"
build = "make -s"
root = "build"
entry = "{2}"
# The most that one call may cost, in USDC.
price = "0.001"

[limits]
wall = "5s"
memory = "32MiB"
)";

constexpr std::string_view kWasmMake =
    "CLANG ?= $(firstword $(shell command -v clang-19 clang))\n"
    "build/{0}: main.c\n"
    "\tmkdir -p build && $(CLANG) --target=wasm32-wasi -O2 -o $@ main.c\n";
constexpr std::string_view kNativeMake =
    "build/{0}: main.c\n\tmkdir -p build && $(CC) -static -O2 -o $@ main.c\n";

}  // namespace

Result<void> create_project(
    const fs::path& folder, std::string_view name, std::string_view runtime) {
    TRY_VOID(internal::check_function_name(name));
    if (runtime != "wasm" && runtime != "native") {
        return fail(ClientError::usage, "a runtime is wasm or native");
    }
    std::error_code failed;
    fs::create_directories(folder, failed);
    if (failed) {
        return fail(errno_error("make " + folder.string(), failed.value()));
    }
    if (!fs::is_empty(folder, failed) || failed) {
        return fail(CommonError::already_exists, folder.string() + " is not empty");
    }
    const std::string entry = std::string(name) + (runtime == "wasm" ? ".wasm" : "");
    const auto write = [&](const char* file, std::string_view text) {
        return store::write_file_atomically(folder / file, as_bytes(text), 0644);
    };
    TRY_VOID(write("main.c", kProgram));
    TRY_VOID(write("Makefile",
        runtime == "wasm" ? fmt::format(kWasmMake, entry) : fmt::format(kNativeMake, entry)));
    return write("decloud.toml", fmt::format(kManifest, name, runtime, entry));
}

}  // namespace decloud::client
