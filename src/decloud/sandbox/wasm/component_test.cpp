#include "component.hpp"

#include "../testing/fixture.hpp"

namespace decloud::sandbox::wasm {

namespace {

constexpr std::string_view kModule("\0asm\x01\0\0\0", 8);
constexpr std::string_view kComponent("\0asm\x0d\0\x01\0", 8);

TEST(Component, IsToldFromAModuleByItsLayer) {
    EXPECT_TRUE(is_component_file(as_bytes(kComponent)));
    EXPECT_FALSE(is_component_file(as_bytes(kModule)));
    EXPECT_FALSE(is_component_file(as_bytes(kComponent.substr(0, 7))));
}

class PreparingComponents : public testing::SandboxTest {
  protected:
    Error refusal(std::string_view program) {
        const auto prepared = prepare("wasm", "probe", "owner",
            testing::make_zip(
                {{.path = "probe", .content = std::string(program), .mode = 0100755}}));
        return prepared ? Error(make_error_code(CommonError::internal), "it was prepared")
                        : prepared.error();
    }
};

TEST_F(PreparingComponents, RefusesOneThatHandlesNoRequests) {
    const Error error = refusal(kComponent);
    EXPECT_EQ(error, make_error_code(CommonError::invalid_input)) << error.message();
    EXPECT_THAT(error.message(), ::testing::HasSubstr("wasi:http/incoming-handler"));
}

TEST_F(PreparingComponents, RefusesOneThatIsBroken) {
    const Error error = refusal(std::string(kComponent) + "nonsense");
    EXPECT_EQ(error, make_error_code(CommonError::invalid_input)) << error.message();
}

}  // namespace

}  // namespace decloud::sandbox::wasm
