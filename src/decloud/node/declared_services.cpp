#include "declared_services.hpp"

#include <decloud/base/log.hpp>
#include <decloud/store/atomic_file.hpp>

#include <algorithm>

namespace decloud::node {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMaxFileBytes = 256 * kKiB;

Result<services::ServiceFile> read_file(const fs::path& file, const std::string& provider) {
    TRY(const Bytes text, store::read_file(file, kMaxFileBytes));
    TRY(services::ServiceFile found,
        services::parse_service_file(as_text(text), file.string(), provider));
    if (found.name != file.stem().string()) {
        return fail(CommonError::invalid_input, file.string() + " describes " + found.name +
                                                    "; it must be called " + found.name + ".toml");
    }
    return found;
}

}  // namespace

DeclaredServices::DeclaredServices(fs::path folder,
    std::string provider,
    pipeline::Pipeline& pipeline,
    services::DeclaredContext& context,
    Wrap wrap)
    : folder_(std::move(folder)),
      provider_(std::move(provider)),
      pipeline_(pipeline),
      context_(context),
      wrap_(std::move(wrap)) {}

DeclaredServices::Loaded DeclaredServices::reload() {
    std::vector<fs::path> files;
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator(folder_, missing)) {
        if (entry.path().extension() == ".toml") {
            files.push_back(entry.path());
        }
    }
    std::ranges::sort(files);
    Loaded loaded;
    for (const fs::path& file : files) {
        auto found = read_file(file, provider_);
        if (!found) {
            log::error("node", "{}; the service is left as it was", found.error().detail());
            loaded.errors.push_back(found.error().detail());
            const std::string name = file.stem().string();
            if (std::ranges::find(names_, name) != names_.end()) {
                loaded.names.push_back(name);
            }
            continue;
        }
        loaded.names.push_back(found->name);
        pipeline_.add_service(wrap_(services::make_declared_service(std::move(*found), context_)));
    }
    for (const std::string& name : names_) {
        if (std::ranges::find(loaded.names, name) == loaded.names.end()) {
            pipeline_.remove_service(name);
        }
    }
    names_ = loaded.names;
    return loaded;
}

}  // namespace decloud::node
