#include "exit_code.hpp"

#include "context.hpp"
#include "internal/up_state.hpp"

#include <decloud/chain/error.hpp>
#include <decloud/client/error.hpp>
#include <decloud/crypto/error.hpp>
#include <decloud/identity/error.hpp>
#include <decloud/net/error.hpp>
#include <decloud/payments/error.hpp>
#include <decloud/registry/error.hpp>
#include <decloud/store/error.hpp>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>

namespace decloud::cli {
namespace {

TEST(ExitCode, SaysWhatKindOfThingFailed) {
    EXPECT_EQ(exit_code(Error(ClientError::usage)), ExitCode::usage);
    EXPECT_EQ(exit_code(Error(CommonError::invalid_input)), ExitCode::usage);
    EXPECT_EQ(exit_code(Error(ClientError::not_found)), ExitCode::not_found);
    EXPECT_EQ(exit_code(Error(registry::RegistryError::unknown_provider)), ExitCode::not_found);
    EXPECT_EQ(exit_code(Error(ClientError::not_authorised)), ExitCode::not_authorised);
    EXPECT_EQ(exit_code(Error(ClientError::payment)), ExitCode::payment);
    EXPECT_EQ(exit_code(Error(ChainError::reverted)), ExitCode::payment);
    EXPECT_EQ(exit_code(Error(ChainError::unreachable)), ExitCode::network);
    EXPECT_EQ(exit_code(Error(net::NetError::connect_failed)), ExitCode::network);
    EXPECT_EQ(exit_code(Error(ClientError::command)), ExitCode::failure);
    EXPECT_EQ(exit_code(Error(StoreError::newer_format)), ExitCode::failure);
    EXPECT_EQ(exit_code(Error(CommonError::cancelled)), ExitCode::cancelled);
}

TEST(ErrorCategories, AreNamedAfterUsAndTheirModule) {
    const std::map<std::string, std::error_code> modules{
        {"decloud", make_error_code(CommonError::internal)},
        {"decloud.chain", make_error_code(ChainError::unreachable)},
        {"decloud.client", make_error_code(ClientError::usage)},
        {"decloud.crypto", make_error_code(CryptoError::invalid_signature)},
        {"decloud.identity", make_error_code(IdentityError::invalid_name)},
        {"decloud.net", make_error_code(net::NetError::connect_failed)},
        {"decloud.payments", make_error_code(PaymentError::insufficient_funds)},
        {"decloud.registry", make_error_code(registry::RegistryError::unknown_provider)},
        {"decloud.store", make_error_code(StoreError::in_use)}};
    for (const auto& [name, code] : modules) {
        EXPECT_EQ(code.category().name(), name);
    }
}

TEST(ExitCode, OfACallIsThatOfItsStatus) {
    EXPECT_EQ(exit_code_of_status(200), ExitCode::ok);
    EXPECT_EQ(exit_code_of_status(304), ExitCode::ok);
    EXPECT_EQ(exit_code_of_status(402), ExitCode::payment);
    EXPECT_EQ(exit_code_of_status(403), ExitCode::not_authorised);
    EXPECT_EQ(exit_code_of_status(404), ExitCode::not_found);
    EXPECT_EQ(exit_code_of_status(410), ExitCode::not_found);
    EXPECT_EQ(exit_code_of_status(500), ExitCode::failure);
}

TEST(Money, IsADecimalNumberOfUsdcAboveZero) {
    EXPECT_EQ(parse_money("0.001").value(), Amount(1000));
    for (const char* text : {"", "0", "-1", "1.2345678", "nan", "1e3", "5 USDC"}) {
        EXPECT_EQ(exit_code(parse_money(text).error()), ExitCode::usage) << text;
    }
}

TEST(Ports, ZeroIsReplacedByDifferentFreeOnes) {
    UpOptions options{
        .chain_port = 0, .node_port = 0, .console_port = 0, .gateway_port = 0, .examples = {}};
    ASSERT_TRUE(internal::choose_ports(options));
    EXPECT_NE(options.chain_port, 0);
    EXPECT_NE(options.chain_port, options.node_port);
    EXPECT_NE(options.console_port, options.gateway_port);
    EXPECT_LT(options.node_port, 32768) << "a port that outgoing connections take";
}

TEST(Ports, OneThatIsInUseIsNamedWithItsFlag) {
    const int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    ASSERT_EQ(bind(taken, reinterpret_cast<sockaddr*>(&address), length), 0);
    ASSERT_EQ(listen(taken, 1), 0);
    ASSERT_EQ(getsockname(taken, reinterpret_cast<sockaddr*>(&address), &length), 0);
    UpOptions options{.chain_port = 0,
        .node_port = 0,
        .console_port = 0,
        .gateway_port = ntohs(address.sin_port),
        .examples = {}};
    const auto chosen = internal::choose_ports(options);
    close(taken);
    ASSERT_FALSE(chosen);
    EXPECT_NE(chosen.error().detail().find("--gateway-port"), std::string::npos);
    EXPECT_NE(
        chosen.error().detail().find(std::to_string(options.gateway_port)), std::string::npos);
}

TEST(Jpeg, WidthIsThatOfTheFrameHeader) {
    const Bytes picture{0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xC0, 0, 11, 8, 0, 100, 0, 200, 1,
        1, 0x11, 0, 0xFF, 0xD9};
    EXPECT_EQ(internal::jpeg_width(picture), 200U);
    EXPECT_EQ(internal::jpeg_width(to_bytes("hello")), 0U);
    EXPECT_EQ(internal::jpeg_width(BytesView(picture).first(12)), 0U);
}

}  // namespace
}  // namespace decloud::cli
