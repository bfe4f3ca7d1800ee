#include "service_template.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>
#include <decloud/identity/did_key.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace decloud::pipeline {
namespace {

using protocol::Call;
using protocol::ServiceDescription;

ServiceDescription example() {
    return {.name = "sha256",
        .summary = "Hashes.",
        .units = {{.name = "call", .description = "one call"}},
        .methods = {{.name = "hash",
            .summary = "",
            .arguments = protocol::arguments_schema({"form"}, 0),
            .price = {.currency = {"usdc"},
                .base = Amount(100),
                .per_unit = {{"call", Amount(7)}, {"request-kib", Amount(2)}}}}}};
}

class KeptAnswer final : public protocol::Responder {
  public:
    Result<void> send(net::http::ResponseHead /*head*/, Bytes body) override {
        body_ = std::string(as_text(body));
        return {};
    }
    [[nodiscard]] async::Task<Result<void>> start(net::http::ResponseHead /*head*/) override {
        co_return Result<void>{};
    }
    [[nodiscard]] async::Task<Result<void>> write(BytesView /*bytes*/) override {
        co_return Result<void>{};
    }
    [[nodiscard]] bool started() const override { return false; }
    std::string body_;
};

class NoBody final : public protocol::RequestBody {
  public:
    [[nodiscard]] const Bytes* whole() const override { return &empty_; }
    [[nodiscard]] async::Task<Result<std::size_t>> read(
        std::span<std::uint8_t> /*buffer*/) override {
        co_return std::size_t{0};
    }

  private:
    Bytes empty_;
};

class NoCharge final : public protocol::Charge {
  public:
    [[nodiscard]] std::optional<Address> caller() const override { return std::nullopt; }
    [[nodiscard]] Amount held() const override { return {}; }
    Result<void> extend(Amount /*more*/) override { return fail(CommonError::unavailable); }
};

class ServiceTemplateTest : public ::testing::Test {
  protected:
    protocol::Checked<json::Object> ask(std::string method, std::vector<std::string> args = {}) {
        Call call;
        call.method = std::move(method);
        call.args = std::move(args);
        call.audience = "eip155:1:0xaa";
        auto prepared =
            make_template_call(example(), call, {.key = &key_, .now = UnixSeconds{1000}});
        if (!prepared) {
            return std::unexpected(std::move(prepared.error()));
        }
        EXPECT_TRUE((*prepared)->terms().max_price.is_zero());
        KeptAnswer answer;
        NoBody body;
        NoCharge charge;
        boost::asio::io_context context;
        boost::asio::co_spawn(context, (*prepared)->serve(body, answer, charge, {}),
            [](const std::exception_ptr&, const protocol::Completion&) {});
        context.run();
        return json::parse(answer.body_).value().as_object();
    }

    crypto::Ed25519PrivateKey key_ = crypto::Ed25519PrivateKey::generate();
};

TEST_F(ServiceTemplateTest, InfoAndMethodsTellTheDescription) {
    const json::Object info = ask("info").value();
    EXPECT_EQ(info.at("service"), json::Value("sha256"));
    EXPECT_EQ(info.at("methods"), json::Value(json::Array{"hash"}));
    const json::Object method = ask("methods").value().at("methods").as_array().at(0).as_object();
    EXPECT_EQ(method.at("price").at("base"), json::Value("100"));
    EXPECT_EQ(method.at("price").at("perUnit").at("request-kib"), json::Value("2"));
    EXPECT_EQ(method.at("arguments").at("maxItems"), json::Value(1));
    EXPECT_FALSE(ask("info", {"more"}));
}

TEST_F(ServiceTemplateTest, AQuoteIsTheSumAndSigned) {
    json::Object quote = ask("quote", {"hash", "request-kib=3", "call=2"}).value();
    EXPECT_EQ(quote.at("amount"), json::Value("120"));
    EXPECT_EQ(quote.at("expires"), json::Value(1600));
    EXPECT_EQ(quote.at("provider"), json::Value("eip155:1:0xaa"));
    const Bytes signature =
        from_base64url(std::string_view(quote.at("signature").as_string())).value();
    quote.erase("signature");
    const std::string text = json::canonical(quote).value();
    EXPECT_TRUE(crypto::verify(key_.public_key(), as_bytes(text), signature));
    EXPECT_EQ(quote.at("signer"), json::Value(identity::to_did_key(key_.public_key())));
    // A call counts once where nothing is said.
    EXPECT_EQ(ask("quote", {"hash"}).value().at("amount"), json::Value("107"));
}

TEST_F(ServiceTemplateTest, AQuoteOfWhatIsNotThereIsRefused) {
    EXPECT_EQ(ask("quote").error().http_status, 400);
    EXPECT_EQ(ask("quote", {"other"}).error().status, protocol::Status::method_unsupported);
    for (const char* unit : {"request-kib", "request-kib=", "request-kib=-1", "gib=1",
             "request-kib=99999999999999999999999"}) {
        EXPECT_EQ(ask("quote", {"hash", unit}).error().http_status, 400) << unit;
    }
    EXPECT_FALSE(ask("quote", {"hash", "call=1", "call=1"}));
}

}  // namespace
}  // namespace decloud::pipeline
