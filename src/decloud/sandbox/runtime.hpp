#pragma once

#include "cgi.hpp"
#include "types.hpp"

#include <decloud/async/cancellation.hpp>
#include <decloud/async/task.hpp>

#include <memory>
#include <string>

namespace decloud::sandbox {

/// A program that is ready to run: compiled or unpacked. Made and understood by one runtime, and
/// immutable for everyone else. Keeping it costs little memory: what is big is on disk, and stays
/// there as long as the artifact lives.
class Artifact {
  public:
    virtual ~Artifact() = default;
    /// The runtime that made it.
    [[nodiscard]] const std::string& runtime() const { return runtime_; }
    /// As `Runtime::prepare` was given it.
    [[nodiscard]] const std::string& program_key() const { return program_key_; }
    /// Its answers always begin with a header block, whatever the manifest says of them.
    [[nodiscard]] virtual bool answers_with_head() const { return false; }

  protected:
    Artifact(std::string runtime, std::string program_key)
        : runtime_(std::move(runtime)), program_key_(std::move(program_key)) {}

  private:
    std::string runtime_;
    std::string program_key_;
};

/// One way to run programs. Single threaded: used on the sandbox's executor.
class Runtime {
  public:
    virtual ~Runtime() = default;

    /// Makes `package_zip` ready. `program_key` (the cid's text) names its content: what was made
    /// for it before is used again. Programs with different `isolation_key` (their owner) never
    /// share a process. Errors: invalid_input and limit_exceeded are the package's fault; others
    /// the provider's.
    [[nodiscard]] virtual async::Task<Result<std::shared_ptr<const Artifact>>> prepare(
        std::string program_key,
        std::string isolation_key,
        Bytes package_zip,
        Manifest manifest) = 0;

    /// True if `prepare` needs no package for it: the bytes may then be empty.
    [[nodiscard]] virtual bool is_prepared(const std::string& program_key,
        const std::string& isolation_key,
        const Manifest& manifest) const = 0;

    /// Runs it once, in a state that no earlier run has touched. Ends when the program has ended
    /// and everything it wrote went into `sink`; cancelling kills it.
    [[nodiscard]] virtual async::Task<Outcome> invoke(std::shared_ptr<const Artifact> artifact,
        Environment environment,
        std::shared_ptr<BodySource> body,
        std::shared_ptr<ResponseSink> sink,
        Limits limits,
        async::CancellationToken cancel) = 0;

    /// As `invoke`, for a request as it came: a runtime of servers passes it on, every other turns
    /// it into CGI variables. `own` is the deployment's environment. What `sink` gets is a CGI
    /// answer in both cases.
    [[nodiscard]] virtual async::Task<Outcome> answer(std::shared_ptr<const Artifact> artifact,
        CgiRequest request,
        Environment own,
        std::shared_ptr<BodySource> body,
        std::shared_ptr<ResponseSink> sink,
        Limits limits,
        async::CancellationToken cancel) {
        return invoke(std::move(artifact), make_cgi_environment(request, own), std::move(body),
            std::move(sink), limits, std::move(cancel));
    }

    /// Ends every worker and every run. Nothing is invoked afterwards.
    [[nodiscard]] virtual async::Task<void> stop() = 0;
};

}  // namespace decloud::sandbox
