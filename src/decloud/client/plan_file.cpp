#include "deploy.hpp"

#include <decloud/store/atomic_file.hpp>

namespace decloud::client {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMaxSpec = 2U << 20U;
constexpr std::uint64_t kMaxProgram = std::uint64_t{1} << 30U;

Result<fs::path> version_folder(const fs::path& folder, const std::string& cid) {
    TRY(const multiformats::Cid parsed, multiformats::Cid::parse(cid));
    return folder / parsed.to_v1().to_string();
}

}  // namespace

Result<void> save_plan(const fs::path& folder, const std::string& cid, const DeploymentPlan& plan) {
    TRY(const fs::path own, version_folder(folder, cid));
    std::error_code failed;
    fs::create_directories(own, failed);
    fs::permissions(own, fs::perms::owner_all, failed);
    if (failed) {
        return fail(errno_error("make " + own.string(), failed.value()));
    }
    TRY(const std::string spec, protocol::canonical_spec(plan.spec));
    TRY_VOID(store::write_file_atomically(own / "program", plan.program));
    TRY_VOID(store::write_file_atomically(
        own / "visibility", as_bytes(plan.is_public ? "public\n" : "private\n")));
    return store::write_file_atomically(own / "spec.json", as_bytes(spec));
}

Result<DeploymentPlan> load_plan(const fs::path& folder, const std::string& cid) {
    TRY(const fs::path own, version_folder(folder, cid));
    TRY(const Bytes text, store::read_file(own / "spec.json", kMaxSpec));
    TRY(const Bytes visibility, store::read_file(own / "visibility", 16));
    const auto value = json::parse(as_text(text), {.max_bytes = kMaxSpec, .max_depth = 8});
    if (!value || !value->is_object()) {
        return fail(CommonError::corrupt, (own / "spec.json").string() + " is not a spec");
    }
    TRY(protocol::DeploymentSpec spec, protocol::parse_spec(value->get_object()));
    TRY(Bytes program, store::read_file(own / "program", kMaxProgram));
    return DeploymentPlan{.spec = std::move(spec),
        .program = std::move(program),
        .is_public = as_text(visibility) == "public\n"};
}

}  // namespace decloud::client
