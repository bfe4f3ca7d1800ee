#include "runtime.hpp"

#include "../native/program.hpp"
#include "../native/runtime.hpp"
#include "../server/runtime.hpp"
#include "image_worker.hpp"

#include <decloud/async/offload.hpp>

#include <fcntl.h>

namespace decloud::sandbox::oci {

namespace {

constexpr std::uint64_t kMaximumStart = 2 * kMiB;
constexpr const char* kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

Result<ImageStart> read_start(const std::filesystem::path& image) {
    const internal::UniqueFd file(
        ::open((image / "start").c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!file) {
        return fail(errno_error("the start of an unpacked image"));
    }
    TRY(const Bytes text, internal::read_file_descriptor(file.get(), kMaximumStart));
    return parse_image_start(as_text(text));
}

class OciRuntime final : public Runtime {
  public:
    explicit OciRuntime(std::shared_ptr<native::Host> host)
        : host_(std::move(host)),
          programs_(native::make_native_runtime(host_)),
          servers_(server::make_server_runtime(host_, "oci")) {}

    async::Task<Result<std::shared_ptr<const Artifact>>> prepare(
        std::string program_key, std::string owner, Bytes package_zip, Manifest manifest) override {
        CO_TRY(auto image, co_await host_->packages().unpack(program_key, manifest.entry,
                               std::move(package_zip), native::PackageStore::Form::image));
        CO_TRY(ImageStart start, read_start(image.path));
        native::ProgramStart program{
            .root = std::filesystem::absolute(image.path / "root").string(),
            .arguments = std::move(start.config.arguments),
            .folder = std::move(start.config.folder),
            .user = start.user.user,
            .group = start.user.group};
        Environment own = std::move(start.config.environment);
        own.emplace_back("PATH", kPath);
        co_return std::make_shared<const native::ProgramArtifact>(std::move(program_key),
            std::move(owner), std::move(manifest), std::move(program), std::move(own),
            std::move(image.use));
    }
    bool is_prepared(const std::string& program_key,
        const std::string&,
        const Manifest& manifest) const override {
        return host_->packages().contains(
            program_key, manifest.entry, native::PackageStore::Form::image);
    }
    async::Task<Outcome> invoke(std::shared_ptr<const Artifact> artifact,
        Environment environment,
        std::shared_ptr<BodySource> body,
        std::shared_ptr<ResponseSink> sink,
        Limits limits,
        async::CancellationToken cancel) override {
        return programs_->invoke(std::move(artifact), std::move(environment), std::move(body),
            std::move(sink), limits, std::move(cancel));
    }
    async::Task<Outcome> answer(std::shared_ptr<const Artifact> artifact,
        CgiRequest request,
        Environment own,
        std::shared_ptr<BodySource> body,
        std::shared_ptr<ResponseSink> sink,
        Limits limits,
        async::CancellationToken cancel) override {
        const auto program = std::dynamic_pointer_cast<const native::ProgramArtifact>(artifact);
        Runtime& runtime = program && program->manifest().serves ? *servers_ : *programs_;
        return runtime.answer(std::move(artifact), std::move(request), std::move(own),
            std::move(body), std::move(sink), limits, std::move(cancel));
    }
    async::Task<void> stop() override {
        co_await servers_->stop();
        co_await programs_->stop();
    }

  private:
    std::shared_ptr<native::Host> host_;
    std::unique_ptr<Runtime> programs_;
    std::unique_ptr<Runtime> servers_;
};

}  // namespace

std::unique_ptr<Runtime> make_oci_runtime(std::shared_ptr<native::Host> host) {
    return std::make_unique<OciRuntime>(std::move(host));
}

}  // namespace decloud::sandbox::oci
