#include "config.hpp"

#include "error.hpp"

#include <decloud/base/testing/temporary_folder.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace decloud::client {
namespace {

using testing::HasSubstr;

EnvironmentReader variables(std::map<std::string, std::string> values) {
    return [values = std::move(values)](const std::string& name) -> std::optional<std::string> {
        const auto found = values.find(name);
        return found == values.end() ? std::nullopt : std::optional(found->second);
    };
}

Home home_in(const std::filesystem::path& folder) {
    return locate_home(folder.string(), variables({})).value();
}

TEST(Config, IsReadBackAsItWasSaved) {
    const TemporaryFolder folder;
    const Home home = home_in(folder.path());
    ASSERT_TRUE(open_home(home));
    Config config;
    config.account = "me";
    config.chain.rpc_urls = {"http://127.0.0.1:8545"};
    config.chain.chain_id = 31337;
    config.chain.contracts.escrow = parse_address("0x" + std::string(40, 'a')).value();
    config.chain.ens = {.rpc_urls = {"https://ethereum.example"},
        .chain_id = 11155111,
        .registry = parse_address("0x" + std::string(40, 'e')).value(),
        .finality_depth = 9};
    config.provider.name = "alice.decloud";
    config.provider.price = Amount(2500);
    config.provider.public_url = "http://10.0.0.1:8402";
    config.provider.max_exposure_per_channel = Amount(7000);
    config.provider.max_exposure_per_identity = Amount(8000);
    config.provider.max_exposure = Amount(9000);
    config.provider.gas = {.wei_per_gas = 20'000'000, .per_coin = Amount(2'500'000'000)};
    config.gateway.allow_local_providers = true;
    config.gateway.per_address = {.per_second = 5, .burst = 6, .concurrent = 7};
    config.gateway.per_payer = {.per_second = 8};
    config.gateway.access_log = true;
    config.provider.traces_per_thousand = 9;
    config.provider.dnslink = false;
    config.provider.dns_servers = {"[::1]:53"};
    config.provider.websites = {"a.example"};
    config.provider.http_proxy = true;
    config.provider.content_routers = {"https://router.example"};
    config.provider.egress = net::parse_host_rules({"*.example.com", "a.example:81"}).value();
    config.provider.egress_private = true;
    config.provider.egress_bytes_per_hour = 12;
    config.trials = {.automatic = "listed",
        .calls_per_identity = 3,
        .calls_per_day = 7,
        .listed = {parse_address("0x" + std::string(40, 'b')).value()}};
    ASSERT_TRUE(save_config(home, config));
    const Config read = load_config(home, variables({})).value();
    EXPECT_EQ(format_config(read), format_config(config));
    EXPECT_EQ(read.chain.ens.rpc_urls, config.chain.ens.rpc_urls);
    EXPECT_EQ(read.chain.ens.registry, config.chain.ens.registry);
    EXPECT_EQ(read.chain.ens.chain_id, 11155111U);
    EXPECT_EQ(read.chain.ens.finality_depth, 9U);
    EXPECT_EQ(read.gateway.per_address.burst, 6U);
    EXPECT_EQ(read.gateway.per_payer.per_second, 8U);
    EXPECT_FALSE(read.gateway.per_deployment.per_second);
    EXPECT_TRUE(read.gateway.access_log && !read.provider.access_log);
    EXPECT_EQ(read.provider.traces_per_thousand, 9U);
    EXPECT_FALSE(read.provider.dnslink);
    EXPECT_TRUE(read.provider.http_proxy);
    EXPECT_EQ(read.provider.content_routers, config.provider.content_routers);
    EXPECT_EQ(read.provider.egress, config.provider.egress);
    EXPECT_TRUE(read.provider.egress_private);
    EXPECT_EQ(read.provider.egress_bytes_per_hour, 12U);
    EXPECT_EQ(read.provider.dns_servers, std::vector<std::string>{"[::1]:53"});
    EXPECT_EQ(read.provider.websites, std::vector<std::string>{"a.example"});
    EXPECT_EQ(read.provider.price, Amount(2500));
    EXPECT_EQ(read.provider.max_exposure_per_channel, Amount(7000));
    EXPECT_EQ(read.provider.max_exposure_per_identity, Amount(8000));
    EXPECT_EQ(read.provider.max_exposure, Amount(9000));
    EXPECT_EQ(read.provider.gas.wei_per_gas, Uint128{20'000'000});
    EXPECT_EQ(read.provider.gas.per_coin, Amount(2'500'000'000));
    EXPECT_EQ(read.chain.contracts.escrow, config.chain.contracts.escrow);
}

TEST(Config, NoFunctionHasANetworkUnlessHostsAreNamed) {
    const Config plain = parse_config("", "c").value();
    EXPECT_TRUE(plain.provider.egress.empty());
    EXPECT_FALSE(plain.provider.egress_private);
    EXPECT_FALSE(parse_config("[provider]\negress = [\"127.0.0.1\"]\n", "c"));
    EXPECT_FALSE(parse_config("[provider]\negress = true\n", "c"));
}

TEST(Config, DnsServersAreAddressesWithPortsAndWebsitesAreDomains) {
    EXPECT_TRUE(parse_config("", "c").value().provider.dnslink);
    EXPECT_FALSE(parse_config("", "c").value().provider.http_proxy);
    for (const char* const wrong : {"dns_servers = [\"dns.example:53\"]",
             "dns_servers = [\"127.0.0.1\"]", "dns_servers = [\"127.0.0.1:0\"]",
             "dns_servers = [\"unix:/dns\"]", "websites = [\"Example.org\"]",
             "websites = [\"localhost\"]", "websites = [\"a.example:80\"]", "dnslink = 1"}) {
        const auto read = parse_config("[provider]\n" + std::string(wrong) + "\n", "config.toml");
        ASSERT_FALSE(read) << wrong;
        EXPECT_THAT(read.error().detail(), HasSubstr("config.toml:2")) << wrong;
    }
}

TEST(Config, ContentIsInTheHomeUnlessKuboIsNamed) {
    EXPECT_EQ(parse_config("", "c")->content.engine, "embedded");
    const auto read = parse_config(
        "[content]\nengine = \"kubo\"\nkubo_api = \"unix:/run/kubo\"\n"
        "kubo_secret_file = \"/etc/secret\"\nannounce = false\n",
        "c");
    ASSERT_TRUE(read) << read.error().message();
    const auto again = parse_config(format_config(*read), "c");
    ASSERT_TRUE(again) << again.error().message();
    for (const Config& config : {*read, *again}) {
        EXPECT_EQ(config.content.engine, "kubo");
        EXPECT_EQ(config.content.kubo_api, "unix:/run/kubo");
        EXPECT_EQ(config.content.kubo_secret_file, "/etc/secret");
        EXPECT_FALSE(config.content.announce);
    }
    EXPECT_FALSE(parse_config("[content]\nengine = \"cluster\"\n", "c"));
    EXPECT_FALSE(parse_config("[content]\nkubo_api = \"127.0.0.1:5001\"\n", "c"));
}

TEST(Config, TrialsAreOffUnlessTheyAreSetRight) {
    EXPECT_EQ(parse_config("", "c").value().trials.automatic, "off");
    const auto wrong = [](const std::string& text) {
        return parse_config("[trials]\n" + text + "\n", "config.toml").error().detail();
    };
    EXPECT_THAT(wrong("automatic = \"everyone\""), HasSubstr("config.toml:2"));
    EXPECT_THAT(wrong("listed = [\"0x12\"]"), HasSubstr("config.toml:2"));
    EXPECT_THAT(wrong("calls_per_day = -1"), HasSubstr("config.toml:2"));
    EXPECT_THAT(wrong("calls = 1"), HasSubstr("calls"));
}

TEST(Config, ARegistrationChangesTheProviderAndNothingElse) {
    const TemporaryFolder folder;
    const Home home = home_in(folder.path());
    ASSERT_TRUE(open_home(home));
    const std::string mine = "# mine\naccount = \"owner\"\n[chain]\nid = 5 # kept\n";
    folder.write("config/config.toml", mine + "[provider]\nname = \"old.decloud\"\n");
    ProviderConfig provider;
    provider.name = "alice.decloud";
    provider.account = "provider";
    ASSERT_TRUE(save_provider(home, provider));
    EXPECT_TRUE(folder.read("config/config.toml").starts_with(mine));
    const Config read = load_config(home, variables({})).value();
    EXPECT_EQ(read.account, "owner");
    EXPECT_EQ(read.chain.chain_id, 5U);
    EXPECT_EQ(read.provider.name, "alice.decloud");
    EXPECT_EQ(read.provider.account, "provider");
}

TEST(Config, EnvironmentStandsOverTheFile) {
    const TemporaryFolder folder;
    const Home home = home_in(folder.path());
    ASSERT_TRUE(open_home(home));
    folder.write("config/config.toml",
        "account = \"file\"\n[chain]\nrpc = [\"http://127.0.0.1:1\"]\nid = 5\n");
    const Config read = load_config(
        home, variables({{"DECLOUD_ACCOUNT", "env"}, {"DECLOUD_RPC_URL", "http://a:1,http://b:2"},
                  {"DECLOUD_GATEWAY_URL", "http://g:3"}}))
                            .value();
    EXPECT_EQ(read.account, "env");
    EXPECT_THAT(read.chain.rpc_urls, testing::ElementsAre("http://a:1", "http://b:2"));
    EXPECT_EQ(read.gateway.url, "http://g:3");
    EXPECT_EQ(read.chain.chain_id, 5U);
}

TEST(Config, NamesTheLineOfAnUnknownKey) {
    const auto read = parse_config("account = \"a\"\n[chain]\nidd = 5\n", "config.toml");
    ASSERT_FALSE(read);
    EXPECT_TRUE(read.error() == make_error_code(ClientError::usage));
    EXPECT_THAT(read.error().detail(), HasSubstr("config.toml:3"));
    EXPECT_THAT(read.error().detail(), HasSubstr("idd"));
}

TEST(Config, NativeProgramsRunForSomeSecondsAtMost) {
    EXPECT_EQ(parse_config("", "c")->provider.native_seconds, 15U);
    EXPECT_EQ(
        parse_config("[provider]\nnative_seconds = 900\n", "c")->provider.native_seconds, 900U);
    for (const char* text : {"0", "901", "-1", "\"15s\""}) {
        const auto read = parse_config(std::string("[provider]\nnative_seconds = ") + text, "c");
        ASSERT_FALSE(read) << text;
        EXPECT_THAT(read.error().detail(), HasSubstr("c:2"));
    }
}

TEST(Config, ServersAreFrozenAfterSomeSecondsOrNever) {
    EXPECT_EQ(parse_config("", "c")->provider.freeze_seconds, 2U);
    EXPECT_EQ(parse_config("[provider]\nfreeze_seconds = 0\n", "c")->provider.freeze_seconds, 0U);
    EXPECT_FALSE(parse_config("[provider]\nfreeze_seconds = 3601\n", "c"));
    EXPECT_EQ(parse_config("", "c")->provider.stream_seconds, 60U);
    EXPECT_EQ(parse_config("[provider]\nstream_seconds = 1\n", "c")->provider.stream_seconds, 1U);
    EXPECT_FALSE(parse_config("[provider]\nstream_seconds = 0\n", "c"));
    EXPECT_FALSE(parse_config("[provider]\nstream_seconds = 3601\n", "c"));
}

TEST(Config, RefusesLimitsThatCannotBe) {
    for (const char* text :
        {"[gateway]\ntraces_per_thousand = 1001\n", "[gateway.per_address]\nper_second = 1000001\n",
            "[gateway.per_address]\nper_minute = 1\n", "[gateway.per_payer]\nconcurrent = 1\n"}) {
        EXPECT_FALSE(parse_config(text, "c")) << text;
    }
}

TEST(Config, AProviderChoosesWhichProgramsItRuns) {
    EXPECT_EQ(parse_config("", "c")->provider.runtimes.size(), 4U);
    const auto some = parse_config("[provider]\nruntimes = [\"wasm\", \"oci\"]\n", "c");
    EXPECT_THAT(some->provider.runtimes, testing::ElementsAre("wasm", "oci"));
    EXPECT_TRUE(parse_config("[provider]\nruntimes = []\n", "c")->provider.runtimes.empty());
    const auto wrong = parse_config("[provider]\nruntimes = [\"wasm\", \"jvm\"]\n", "c");
    ASSERT_FALSE(wrong);
    EXPECT_THAT(wrong.error().detail(), HasSubstr("c:2"));
}

TEST(Config, RefusesAnAddressThatIsNone) {
    EXPECT_FALSE(parse_config("[chain]\nescrow = \"0x12\"\n", "c"));
}

TEST(Config, KnowsWhichChainsAreOnThisMachine) {
    ChainConfig chain;
    EXPECT_FALSE(is_local_chain(chain));
    chain.rpc_urls = {"http://127.0.0.1:8545", "http://localhost:1", "http://[::1]:8545"};
    EXPECT_TRUE(is_local_chain(chain));
    chain.rpc_urls.emplace_back("http://10.0.0.1:8545");
    EXPECT_FALSE(is_local_chain(chain));
    chain.rpc_urls = {"http://localhost.example:8545"};
    EXPECT_FALSE(is_local_chain(chain));
}

}  // namespace
}  // namespace decloud::client
