#include "fixture.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

namespace decloud::sandbox::testing {

Bytes make_zip(const std::vector<ZipEntry>& entries) {
    std::size_t size = 4096;
    for (const ZipEntry& entry : entries) {
        size += entry.content.size() + 2 * entry.path.size() + 512;
    }
    Bytes zip(size);
    archive* writer = archive_write_new();
    archive_write_set_format_zip(writer);
    std::size_t used = 0;
    archive_write_open_memory(writer, zip.data(), zip.size(), &used);
    for (const ZipEntry& item : entries) {
        archive_entry* entry = archive_entry_new();
        archive_entry_set_pathname(entry, item.path.c_str());
        archive_entry_set_mode(entry, static_cast<mode_t>(item.mode));
        archive_entry_set_size(entry, static_cast<la_int64_t>(item.content.size()));
        if (!item.link.empty()) {
            archive_entry_set_symlink(entry, item.link.c_str());
        }
        EXPECT_EQ(archive_write_header(writer, entry), ARCHIVE_OK) << archive_error_string(writer);
        archive_write_data(writer, item.content.data(), item.content.size());
        archive_entry_free(entry);
    }
    EXPECT_EQ(archive_write_close(writer), ARCHIVE_OK);
    archive_write_free(writer);
    zip.resize(used);
    return zip;
}

std::string read_program(const std::string& program) {
    std::ifstream file(std::string(DECLOUD_TEST_PROGRAMS "/") + program, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

Bytes program_package(const std::string& program) {
    return make_zip({{.path = program, .content = read_program(program), .mode = 0100755},
        {.path = "data/note.txt", .content = "a note\n"}});
}

void SandboxTest::SetUp() {
    sandbox_ = std::make_unique<Sandbox>(context_.get_executor(), settings());
}

void SandboxTest::TearDown() {
    probe_.reset();
    if (sandbox_) {
        run_void(sandbox_->stop());
        sandbox_.reset();
    }
}

SandboxSettings SandboxTest::settings() {
    SandboxSettings settings;
    settings.cache_dir = folder_;
    settings.worker_executable = DECLOUD_TEST_WORKER;
    settings.mac_key.fill(7);
    if (::geteuid() != 0) {
        // Few hosts delegate cgroups to ordinary users: resource limits then do what they can.
        settings.accept_missing = {"cgroup"};
    }
    return settings;
}

void SandboxTest::restart() {
    probe_.reset();
    run_void(sandbox_->stop());
    sandbox_ = std::make_unique<Sandbox>(context_.get_executor(), settings());
}

void SandboxTest::run_void(async::Task<void> task) {
    run([](async::Task<void> inner) -> async::Task<bool> {
        co_await std::move(inner);
        co_return true;
    }(std::move(task)));
}

Result<std::shared_ptr<const Artifact>> SandboxTest::prepare(const std::string& runtime,
    const std::string& program,
    const std::string& owner,
    std::optional<Bytes> package) {
    return run(sandbox_->prepare("bafytest" + program.substr(program.find('_') + 1) + runtime,
        owner, package ? std::move(*package) : program_package(program),
        {.runtime = runtime, .entry = program, .limits = {}}));
}

Answer SandboxTest::call(std::shared_ptr<const Artifact> artifact,
    Environment environment,
    std::string body,
    Limits limits) {
    auto sink = std::make_shared<CollectingSink>();
    Answer answer;
    answer.outcome = run(sandbox_->invoke(std::move(artifact), std::move(environment),
        std::make_shared<MemoryBody>(to_bytes(body)), sink, limits, {}));
    answer.output = as_text(sink->bytes);
    answer.whole = sink->whole;
    return answer;
}

Answer SandboxTest::probe(
    const std::string& mode, const std::string& argument, std::string body, Limits limits) {
    if (!probe_) {
        auto prepared = prepare(runtime_, runtime_ + "_probe");
        EXPECT_TRUE(prepared) << prepared.error().message();
        if (!prepared) {
            return {};
        }
        probe_ = *prepared;
    }
    return call(probe_, {{"MODE", mode}, {"ARGUMENT", argument}}, std::move(body), limits);
}

}  // namespace decloud::sandbox::testing
