#include "service_file.hpp"

#include <gtest/gtest.h>

namespace decloud::services {
namespace {

constexpr const char* kProvider = "alice.decloud";

constexpr std::string_view kGood = R"(
name = "sha256"
version = "2"
summary = "Hashes."
url = "http://127.0.0.1:9000"

[units]
call = "one hash"

[methods.hash]
summary = "Hash the body."
arguments = ["the form", "a salt"]
required = 1
response = "text/plain"
price = "0.0001"

[methods.hash.per_unit]
request-kib = "0.000002"
)";

std::string with(std::string_view from, std::string_view to) {
    std::string text(kGood);
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
}

TEST(ServiceFile, ReadsWhatIsThere) {
    const auto file = parse_service_file(kGood, "service.toml", kProvider);
    ASSERT_TRUE(file) << file.error().message();
    EXPECT_EQ(file->name, "sha256");
    EXPECT_EQ(file->version, "2");
    EXPECT_EQ(std::get<net::Url>(file->backend).port, 9000);
    ASSERT_EQ(file->methods.size(), 1U);
    const DeclaredMethod& method = file->methods[0];
    EXPECT_EQ(method.arguments.size(), 2U);
    EXPECT_EQ(method.required, 1U);
    EXPECT_EQ(method.price, Amount(100));
    EXPECT_EQ(method.per_unit.at("request-kib"), Amount(2));
    EXPECT_EQ(method.request, "application/octet-stream");
}

TEST(ServiceFile, OtherServicesCarryTheirOwnersName) {
    for (const char* name : {"qr.alice", "qr.alice.decloud", "calc"}) {
        const auto file =
            parse_service_file(with("\"sha256\"", '"' + std::string(name) + '"'), "f", kProvider);
        EXPECT_TRUE(file) << name;
    }
    for (const char* name : {"", "qr", "compute", "info", "qr.bob", "a/b.alice", "../x.alice",
             ".alice", "-a.alice", "Q.alice", "qr.alice.other"}) {
        EXPECT_FALSE(
            parse_service_file(with("\"sha256\"", '"' + std::string(name) + '"'), "f", kProvider))
            << name;
    }
}

TEST(ServiceFile, ErrorsNameTheLine) {
    const struct {
        std::string text;
        std::string_view where;
    } cases[] = {
        {with("version = \"2\"", "version = 2"), "f:3: \"version\""},
        {with("summary = \"Hashes.\"", "sumary = \"\""), "f:4: \"sumary\" is not known"},
        {with("required = 1", "required = 3"), "\"methods.hash.required\""},
        {with("\"0.0001\"", "\"much\""), "\"methods.hash.price\""},
        {with("request-kib", "gib"), "\"methods.hash.per_unit.gib\" is not known"},
        {with("methods.hash]", "methods.quote]"), "methods.quote"},
        {with("url = \"http://127.0.0.1:9000\"", ""), "\"deployment\""},
        {with("url = ", "deployment = \"bafy\"\nurl = "), "\"deployment\""},
        {with("http://127", "127"), "\"url\""},
        {"name = ", "f:1"},
        {"name = \"calc\"\nurl = \"http://a\"\n", "\"methods\""},
        {std::string(300'000, '#'), "256 KiB"},
    };
    for (const auto& each : cases) {
        const auto file = parse_service_file(each.text, "f", kProvider);
        ASSERT_FALSE(file) << each.text;
        EXPECT_NE(file.error().detail().find(each.where), std::string::npos)
            << file.error().detail() << " does not say " << each.where;
    }
}

TEST(ServiceFile, ADraftNeedsNoBackend) {
    const std::string text = with("url = \"http://127.0.0.1:9000\"", "");
    EXPECT_TRUE(parse_service_draft(text, "f", kProvider));
    EXPECT_FALSE(parse_service_file(text, "f", kProvider));
}

}  // namespace
}  // namespace decloud::services
