#include "../testing/fixture.hpp"
#include "testing.hpp"

namespace decloud::sandbox {
namespace {

using oci::make_tar;
using oci::TarItem;
using testing::Answer;
using End = Outcome::End;
using ::testing::HasSubstr;

std::string text(const Bytes& bytes) { return std::string(as_text(bytes)); }

class Oci : public testing::SandboxTest {
  protected:
    /// A package with the image that `docker save` would make of these layers.
    static Bytes image(const std::string& config, const std::vector<Bytes>& layers) {
        std::vector<TarItem> items{{"config.json", config}};
        std::string names;
        for (std::size_t i = 0; i < layers.size(); ++i) {
            items.push_back({std::to_string(i) + "/layer.tar", text(layers[i])});
            names += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "/layer.tar\"";
        }
        items.insert(items.begin(),
            {"manifest.json", R"([{"Config":"config.json","Layers":[)" + names + "]}]"});
        return testing::make_zip({{.path = "image.tar", .content = text(make_tar(items))}});
    }
    Result<std::shared_ptr<const Artifact>> prepare_image(Bytes package, bool serves = false) {
        return run(sandbox_->prepare("bafyimage", "owner", std::move(package),
            {.runtime = "oci",
                .entry = "image.tar",
                .limits = {},
                .serves = serves,
                .concurrency = 4}));
    }
    static Bytes probe_layer() {
        return make_tar(
            {{"opt/probe", testing::read_program("native_probe"), 0100755},
                {"opt/server", testing::read_program("server_probe"), 0100755},
                {"etc/passwd", "app:x:1234:2345::/srv:/bin/false\n"}, {"srv/here", "x"}},
            true);
    }
};

TEST_F(Oci, RunsTheEntrypointInItsFolderWithItsEnvironment) {
    const auto program = prepare_image(image(
        R"({"config":{"Entrypoint":["probe"],"Cmd":["more"],"Env":["PATH=/nowhere:/opt","MODE=env","OWN=1"],)"
        R"("WorkingDir":"/srv"}})",
        {probe_layer()}));
    ASSERT_TRUE(program) << program.error().message();
    const Answer answer = call(*program, {{"ARGUMENT", "x"}, {"OWN", "2"}});
    EXPECT_EQ(answer.outcome.end, End::exited) << answer.outcome.detail;
    EXPECT_EQ(answer.output, "ARGUMENT=x\nOWN=2\nPATH=/nowhere:/opt\nMODE=env\narguments 2\n");
}

TEST_F(Oci, RunsAsItsUserWhereASandboxHasSeveral) {
    const auto program = prepare_image(image(
        R"({"config":{"Entrypoint":["/opt/probe"],"Env":["MODE=whoami"],"User":"app","WorkingDir":"/srv"}})",
        {probe_layer()}));
    ASSERT_TRUE(program) << program.error().message();
    const Answer answer = call(*program, {});
    EXPECT_EQ(answer.output, ::geteuid() == 0 ? "1234 2345 /srv\n" : "65534 65534 /srv\n")
        << answer.outcome.detail;
}

TEST_F(Oci, EndsWhatAProgramOfItsUserLeavesRunning) {
    const auto program = prepare_image(
        image(R"({"config":{"Entrypoint":["/native_probe"],"User":"1000","WorkingDir":"/"}})",
            {make_tar({{"native_probe", testing::read_program("native_probe"), 0100755}})}));
    ASSERT_TRUE(program) << program.error().message();
    const Answer answer = call(*program, {{"MODE", "survivor"}, {"ARGUMENT", "survivor-of-oci"}});
    EXPECT_EQ(answer.outcome.end, End::exited) << answer.outcome.detail;
    EXPECT_EQ(answer.output, "left one\n");
}

TEST_F(Oci, RunsAServerFromAnImage) {
    const auto program =
        prepare_image(image(R"({"config":{"Entrypoint":["/opt/server"]}})", {probe_layer()}), true);
    ASSERT_TRUE(program) << program.error().message();
    for (const char* count : {"1\n", "2\n"}) {
        CgiRequest request;
        request.method = "GET";
        request.request_uri = request.path_info = "/count";
        request.server_name = "localhost";
        request.cid = "one";
        auto sink = std::make_shared<testing::CollectingSink>();
        const Outcome outcome = run(sandbox_->answer(
            *program, request, {}, std::make_shared<MemoryBody>(Bytes()), sink, {}, {}));
        EXPECT_TRUE(outcome.succeeded()) << outcome.detail;
        EXPECT_THAT(std::string(as_text(sink->bytes)), ::testing::EndsWith(count));
    }
}

TEST_F(Oci, IsUnpackedOnce) {
    const std::string config = R"({"config":{"Cmd":["/opt/probe"],"Env":["MODE=env"]}})";
    ASSERT_TRUE(prepare_image(image(config, {probe_layer()})));
    restart();
    EXPECT_TRUE(sandbox_->is_prepared(
        "bafyimage", "owner", {.runtime = "oci", .entry = "image.tar", .limits = {}}));
    EXPECT_TRUE(prepare_image({}));
}

TEST_F(Oci, BlamesTheImageForWhatIsWrongWithIt) {
    const auto refused = [&](Bytes package, const char* why) {
        const auto made = prepare_image(std::move(package));
        ASSERT_FALSE(made) << why;
        EXPECT_THAT(made.error().detail(), HasSubstr(why));
        EXPECT_TRUE(made.error() == make_error_code(CommonError::invalid_input) ||
                    made.error() == make_error_code(CommonError::limit_exceeded))
            << made.error().message();
    };
    const std::string good = R"({"config":{"Cmd":["/opt/probe"]}})";
    refused(testing::make_zip({{.path = "other", .content = "x"}}), "image.tar");
    refused(testing::make_zip({{.path = "image.tar", .content = "no tar file"}}), "image");
    refused(image("{}", {probe_layer()}), "Entrypoint");
    refused(image(R"({"config":{"Cmd":["a"],"User":"nobody"}})", {probe_layer()}), "nobody");
    refused(image(good, {make_tar({{"../../../tmp/escaped", "x"}})}), "'..'");
    refused(image(good, {make_tar({{"dev-mem", "", 0020666}})}), "device");
}

TEST_F(Oci, HasNothingOfTheHostAndNothingToWriteTo) {
    const auto program = prepare_image(
        image(R"({"config":{"Entrypoint":["/opt/probe"],"Env":["MODE=list","ARGUMENT=/"]}})",
            {probe_layer(), make_tar({{"dev", "", 0120777, "/etc"},
                                {"tmp", "", 0120777, "../../.."}, {"proc", "", 0120777, "/"}})}));
    ASSERT_TRUE(program) << program.error().message();
    std::string names = call(*program, {}).output;
    for (const char* name :
        {"dev\n", "proc\n", "tmp\n", "opt\n", "etc\n", "srv\n", ".\n", "..\n"}) {
        const std::size_t place = names.find(name);
        ASSERT_NE(place, std::string::npos) << name;
        names.erase(place, std::string(name).size());
    }
    EXPECT_EQ(names, "");
}

}  // namespace
}  // namespace decloud::sandbox
