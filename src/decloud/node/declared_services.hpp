#pragma once

#include <decloud/pipeline/pipeline.hpp>
#include <decloud/services/declared/declared_service.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace decloud::node {

/// The services that the operator has added: one `NAME.toml` each in a folder of the home. Not
/// thread safe.
class DeclaredServices {
  public:
    /// What is put around each service before it joins the pipeline.
    using Wrap =
        std::function<std::unique_ptr<protocol::Service>(std::unique_ptr<protocol::Service>)>;
    /// `provider` is this node's full name. Everything given outlives this.
    DeclaredServices(std::filesystem::path folder,
        std::string provider,
        pipeline::Pipeline& pipeline,
        services::DeclaredContext& context,
        Wrap wrap);

    /// What reading the folder gave.
    struct Loaded {
        std::vector<std::string> names;
        /// One for each file that is not used, with the line.
        std::vector<std::string> errors{};
    };
    /// Reads the folder again: new and changed services join, those without a file leave. A file
    /// that is wrong leaves the service of before in place.
    Loaded reload();

  private:
    std::filesystem::path folder_;
    std::string provider_;
    pipeline::Pipeline& pipeline_;
    services::DeclaredContext& context_;
    Wrap wrap_;
    std::vector<std::string> names_;
};

}  // namespace decloud::node
