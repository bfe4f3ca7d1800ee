#include "config.hpp"

#include "error.hpp"
#include "internal/toml_reader.hpp"
#include "internal/toml_section.hpp"

#include <decloud/net/address.hpp>
#include <decloud/net/url.hpp>
#include <decloud/store/atomic_file.hpp>

#include <algorithm>
#include <array>
#include <sstream>

namespace decloud::client {

namespace {

using internal::TomlReader;

constexpr std::uint64_t kMaxConfigBytes = 256 * 1024;
constexpr std::uint64_t kLongestRunSeconds = 900;
constexpr std::uint64_t kLongestFreezeSeconds = 3600;
constexpr std::uint64_t kLongestStreamSeconds = 3600;
constexpr std::uint64_t kHighestLimit = 1'000'000;
constexpr std::uint64_t kAllTraces = 1000;

Result<void> read_address(TomlReader& reader, std::string_view key, Address& out) {
    return reader.parsed(key, [&](const std::string& text) -> Result<void> {
        TRY(out, parse_address(text));
        return {};
    });
}

Result<void> check_urls(const std::vector<std::string>& urls) {
    for (const std::string& url : urls) {
        TRY_VOID(net::parse_url(url));
    }
    return {};
}

Result<void> read_endpoints(TomlReader& reader, std::vector<std::string>& urls) {
    TRY_VOID(reader.texts("rpc", urls));
    if (auto checked = check_urls(urls); !checked) {
        return reader.wrong("rpc", checked.error().detail());
    }
    return {};
}

Result<void> read_ens(TomlReader& reader, registry::EnsSettings& ens) {
    TRY_VOID(read_endpoints(reader, ens.rpc_urls));
    TRY_VOID(reader.number("id", ens.chain_id));
    TRY_VOID(reader.number("finality_depth", ens.finality_depth));
    return read_address(reader, "registry", ens.registry);
}

Result<void> read_chain(TomlReader& reader, ChainConfig& chain) {
    TRY_VOID(read_endpoints(reader, chain.rpc_urls));
    TRY_VOID(reader.section("ens", [&](TomlReader& inner) { return read_ens(inner, chain.ens); }));
    TRY_VOID(reader.number("id", chain.chain_id));
    TRY_VOID(reader.number("finality_depth", chain.finality_depth));
    TRY_VOID(reader.number("first_block", chain.first_block));
    TRY_VOID(read_address(reader, "usdc", chain.contracts.usdc));
    TRY_VOID(read_address(reader, "registry", chain.contracts.registry));
    TRY_VOID(read_address(reader, "registrar", chain.contracts.registrar));
    TRY_VOID(read_address(reader, "resolver", chain.contracts.resolver));
    return read_address(reader, "escrow", chain.contracts.escrow);
}

Result<void> read_listen(TomlReader& reader, std::string_view key, std::string& out) {
    return reader.parsed(key, [&](const std::string& text) -> Result<void> {
        TRY_VOID(net::parse_endpoint(text));
        out = text;
        return {};
    });
}

Result<void> read_url(TomlReader& reader, std::string_view key, std::string& out) {
    return reader.parsed(key, [&](const std::string& text) -> Result<void> {
        TRY_VOID(net::parse_url(text));
        out = text;
        return {};
    });
}

template <class Section>
Result<void> read_tls(TomlReader& reader, Section& section) {
    TRY_VOID(reader.text("tls_certificate", section.tls_certificate));
    TRY_VOID(reader.text("tls_key", section.tls_key));
    if (section.tls_certificate.empty() != section.tls_key.empty()) {
        return reader.wrong("tls_key", "beside tls_certificate, or neither of them");
    }
    return {};
}

template <class Section>
void write_tls(toml::table& table, const Section& section) {
    if (!section.tls_certificate.empty()) {
        table.insert("tls_certificate", section.tls_certificate);
        table.insert("tls_key", section.tls_key);
    }
}

template <class Section>
Result<void> read_records(TomlReader& reader, Section& section) {
    TRY_VOID(reader.flag("access_log", section.access_log));
    TRY_VOID(reader.number("traces_per_thousand", section.traces_per_thousand));
    if (section.traces_per_thousand > kAllTraces) {
        return reader.wrong("traces_per_thousand", "0 to 1000");
    }
    return {};
}

Result<void> read_limit(TomlReader& reader, std::string_view name, RequestLimitConfig& limit) {
    return reader.section(name, [&](TomlReader& inner) -> Result<void> {
        for (const auto& [key, value] : {std::pair("per_second", &limit.per_second),
                 {"burst", &limit.burst}, {"concurrent", &limit.concurrent}}) {
            TRY_VOID(inner.number(key, *value));
            if (*value > kHighestLimit) {
                return inner.wrong(key, "0 to 1000000");
            }
        }
        return {};
    });
}

Result<void> read_gateway(TomlReader& reader, GatewayConfig& gateway) {
    TRY_VOID(read_tls(reader, gateway));
    TRY_VOID(read_records(reader, gateway));
    TRY_VOID(read_limit(reader, "per_address", gateway.per_address));
    TRY_VOID(read_limit(reader, "per_payer", gateway.per_payer));
    TRY_VOID(read_limit(reader, "per_deployment", gateway.per_deployment));
    if (gateway.per_payer.concurrent > 0) {
        return reader.wrong(
            "per_payer", "without concurrent: payers are counted when they have paid");
    }
    TRY_VOID(read_url(reader, "url", gateway.url));
    TRY_VOID(read_listen(reader, "listen", gateway.listen));
    TRY_VOID(reader.text("domain", gateway.domain));
    TRY_VOID(read_listen(reader, "console", gateway.console));
    return reader.flag("allow_local_providers", gateway.allow_local_providers);
}

Result<void> read_usdc(TomlReader& reader, std::string_view key, Amount& out) {
    return reader.parsed(key, [&](const std::string& text) -> Result<void> {
        TRY(out, parse_usdc(text));
        return {};
    });
}

/// Gwei are read with six decimals, as USDC are.
constexpr Uint128 kWeiOfLastDecimal = 1000;

Result<void> read_domains(TomlReader& reader, ProviderConfig& provider) {
    TRY_VOID(reader.flag("dnslink", provider.dnslink));
    TRY_VOID(reader.flag("http_proxy", provider.http_proxy));
    TRY_VOID(reader.texts("dns_servers", provider.dns_servers));
    for (const std::string& server : provider.dns_servers) {
        const auto endpoint = net::parse_endpoint(server);
        if (!endpoint || endpoint->is_unix() || endpoint->port == 0) {
            return reader.wrong("dns_servers", "'" + server + "' is no ADDRESS:PORT");
        }
    }
    TRY_VOID(reader.texts("websites", provider.websites));
    for (const std::string& domain : provider.websites) {
        const bool is_plain = std::ranges::all_of(domain, [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
        });
        if (!is_plain || domain.find('.') == std::string::npos) {
            return reader.wrong("websites", "'" + domain + "' is no domain in lower case");
        }
    }
    return {};
}

Result<void> read_egress(TomlReader& reader, ProviderConfig& provider) {
    std::vector<std::string> hosts;
    TRY_VOID(reader.texts("egress", hosts));
    if (auto rules = net::parse_host_rules(hosts)) {
        provider.egress = std::move(*rules);
    } else {
        return reader.wrong("egress", rules.error().detail());
    }
    TRY_VOID(reader.flag("egress_private", provider.egress_private));
    return reader.number("egress_bytes_per_hour", provider.egress_bytes_per_hour);
}

constexpr std::array<std::string_view, 4> kRuntimes{"wasm", "native", "server", "oci"};

Result<void> read_provider(TomlReader& reader, ProviderConfig& provider) {
    TRY_VOID(reader.text("name", provider.name));
    TRY_VOID(reader.text("account", provider.account));
    TRY_VOID(read_listen(reader, "listen", provider.listen));
    TRY_VOID(read_listen(reader, "console", provider.console));
    TRY_VOID(read_url(reader, "public_url", provider.public_url));
    TRY_VOID(reader.number("free_bytes", provider.free_bytes));
    TRY_VOID(reader.number("failed_attempts", provider.failed_attempts));
    TRY_VOID(read_tls(reader, provider));
    TRY_VOID(read_records(reader, provider));
    TRY_VOID(reader.number("cache_bytes", provider.cache_bytes));
    TRY_VOID(reader.number("native_seconds", provider.native_seconds));
    if (provider.native_seconds == 0 || provider.native_seconds > kLongestRunSeconds) {
        return reader.wrong("native_seconds", "1 to 900");
    }
    TRY_VOID(reader.number("freeze_seconds", provider.freeze_seconds));
    if (provider.freeze_seconds > kLongestFreezeSeconds) {
        return reader.wrong("freeze_seconds", "0 to 3600");
    }
    TRY_VOID(reader.number("stream_seconds", provider.stream_seconds));
    if (provider.stream_seconds == 0 || provider.stream_seconds > kLongestStreamSeconds) {
        return reader.wrong("stream_seconds", "1 to 3600");
    }
    TRY_VOID(reader.texts("runtimes", provider.runtimes));
    for (const std::string& runtime : provider.runtimes) {
        if (std::ranges::find(kRuntimes, runtime) == kRuntimes.end()) {
            return reader.wrong("runtimes", "some of \"wasm\", \"native\", \"server\", \"oci\"");
        }
    }
    TRY_VOID(reader.texts("content_sources", provider.content_sources));
    if (auto checked = check_urls(provider.content_sources); !checked) {
        return reader.wrong("content_sources", checked.error().detail());
    }
    TRY_VOID(reader.texts("content_routers", provider.content_routers));
    if (auto checked = check_urls(provider.content_routers); !checked) {
        return reader.wrong("content_routers", checked.error().detail());
    }
    TRY_VOID(read_domains(reader, provider));
    TRY_VOID(read_egress(reader, provider));
    TRY_VOID(reader.texts("peers", provider.peers));
    for (const std::string& peer : provider.peers) {
        if (const auto url = net::parse_url(peer);
            !url || url->target != "/" || url->scheme == net::Scheme::unix_socket) {
            return reader.wrong("peers", "'" + peer + "' is no http or https URL without a path");
        }
    }
    TRY_VOID(reader.texts("gateways", provider.gateways));
    for (const std::string& gateway : provider.gateways) {
        if (auto parsed = net::parse_ip_address(gateway); !parsed) {
            return reader.wrong("gateways", parsed.error().detail());
        }
    }
    TRY_VOID(reader.text("x402", provider.x402));
    if (provider.x402 != "off" && provider.x402 != "settled" && provider.x402 != "sent") {
        return reader.wrong("x402", "\"off\", \"settled\" or \"sent\"");
    }
    TRY_VOID(read_usdc(reader, "x402_max_unsettled", provider.x402_max_unsettled));
    TRY_VOID(read_usdc(reader, "max_exposure_per_channel", provider.max_exposure_per_channel));
    TRY_VOID(read_usdc(reader, "max_exposure_per_identity", provider.max_exposure_per_identity));
    TRY_VOID(read_usdc(reader, "max_exposure", provider.max_exposure));
    Amount gas_price(provider.gas.wei_per_gas / kWeiOfLastDecimal);
    TRY_VOID(read_usdc(reader, "gas_price_gwei", gas_price));
    provider.gas.wei_per_gas = gas_price.units() * kWeiOfLastDecimal;
    TRY_VOID(read_usdc(reader, "usdc_per_coin", provider.gas.per_coin));
    if (!row_cost(escrow_gas(), provider.gas)) {
        return reader.wrong("gas_price_gwei", "a price at which a row costs less than all money");
    }
    return read_usdc(reader, "price", provider.price);
}

Result<void> read_spending(TomlReader& reader, SpendingConfig& spending) {
    TRY_VOID(read_usdc(reader, "max_price", spending.limits.max_price));
    TRY_VOID(read_usdc(reader, "max_per_provider", spending.limits.max_per_provider));
    TRY_VOID(read_usdc(reader, "max_per_day", spending.limits.max_per_day));
    std::vector<std::string> tokens;
    TRY_VOID(reader.texts("tokens", tokens));
    for (const std::string& text : tokens) {
        const auto token = parse_token_id(text);
        if (!token) {
            return reader.wrong("tokens", token.error().detail());
        }
        spending.tokens.push_back(*token);
    }
    return {};
}

Result<void> read_content(TomlReader& reader, ContentConfig& content) {
    TRY_VOID(reader.text("engine", content.engine));
    if (content.engine != "embedded" && content.engine != "kubo") {
        return reader.wrong("engine", "\"embedded\" or \"kubo\"");
    }
    TRY_VOID(read_url(reader, "kubo_api", content.kubo_api));
    TRY_VOID(reader.text("kubo_secret_file", content.kubo_secret_file));
    return reader.flag("announce", content.announce);
}

toml::table content_table(const ContentConfig& content) {
    return toml::table{{"engine", content.engine}, {"kubo_api", content.kubo_api},
        {"kubo_secret_file", content.kubo_secret_file}, {"announce", content.announce}};
}

Result<void> read_trials(TomlReader& reader, TrialsConfig& trials) {
    TRY_VOID(reader.text("automatic", trials.automatic));
    if (trials.automatic != "off" && trials.automatic != "listed" && trials.automatic != "anyone") {
        return reader.wrong("automatic", "\"off\", \"listed\" or \"anyone\"");
    }
    TRY_VOID(reader.number("calls_per_identity", trials.calls_per_identity));
    TRY_VOID(reader.number("calls_per_day", trials.calls_per_day));
    std::vector<std::string> listed;
    TRY_VOID(reader.texts("listed", listed));
    trials.listed.reserve(listed.size());
    for (const std::string& text : listed) {
        const auto address = parse_address(text);
        if (!address) {
            return reader.wrong("listed", address.error().detail());
        }
        trials.listed.push_back(*address);
    }
    return {};
}

std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(','), text.size());
        if (end > 0) {
            out.emplace_back(text.substr(0, end));
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

bool is_loopback(const std::string& url_text) {
    const auto url = net::parse_url(url_text);
    if (!url) {
        return false;
    }
    if (url->scheme == net::Scheme::unix_socket || url->host == "localhost") {
        return true;
    }
    const auto ip = net::parse_ip_address(url->host);
    if (!ip) {
        return false;
    }
    const net::IpAddress plain = ip->unmapped();
    if (!plain.is_v6()) {
        return plain.octets()[0] == 127;
    }
    return plain == net::parse_ip_address("::1").value();
}

}  // namespace

identity::Domain signature_domain(const ChainConfig& chain) {
    return {.chain_id = chain.chain_id, .escrow = chain.contracts.escrow};
}

bool is_local_chain(const ChainConfig& chain) {
    return !chain.rpc_urls.empty() && std::ranges::all_of(chain.rpc_urls, is_loopback);
}

Result<Config> parse_config(std::string_view text, std::string_view source) {
    TRY(const toml::table table, internal::parse_toml(text, source));
    TomlReader reader(table, std::string(source));
    Config config;
    TRY_VOID(reader.text("account", config.account));
    TRY_VOID(reader.section(
        "chain", [&](TomlReader& inner) { return read_chain(inner, config.chain); }));
    TRY_VOID(reader.section(
        "gateway", [&](TomlReader& inner) { return read_gateway(inner, config.gateway); }));
    TRY_VOID(reader.section(
        "provider", [&](TomlReader& inner) { return read_provider(inner, config.provider); }));
    TRY_VOID(reader.section(
        "content", [&](TomlReader& inner) { return read_content(inner, config.content); }));
    TRY_VOID(reader.section(
        "trials", [&](TomlReader& inner) { return read_trials(inner, config.trials); }));
    TRY_VOID(reader.section(
        "spending", [&](TomlReader& inner) { return read_spending(inner, config.spending); }));
    TRY_VOID(reader.finish());
    return config;
}

Result<Config> load_config(const Home& home, const EnvironmentReader& environment) {
    Config config;
    auto text = store::read_file(home.config_file(), kMaxConfigBytes);
    if (text) {
        TRY(config, parse_config(as_text(*text), home.config_file().string()));
    } else if (text.error() != make_error_code(CommonError::not_found)) {
        return fail(std::move(text.error()));
    }
    if (const auto account = environment("DECLOUD_ACCOUNT"); account && !account->empty()) {
        config.account = *account;
    }
    if (const auto urls = environment("DECLOUD_RPC_URL"); urls && !urls->empty()) {
        config.chain.rpc_urls = split(*urls);
        if (auto checked = check_urls(config.chain.rpc_urls); !checked) {
            return fail(ClientError::usage, "DECLOUD_RPC_URL: " + checked.error().detail());
        }
    }
    if (const auto url = environment("DECLOUD_GATEWAY_URL"); url && !url->empty()) {
        if (auto checked = net::parse_url(*url); !checked) {
            return fail(ClientError::usage, "DECLOUD_GATEWAY_URL: " + checked.error().detail());
        }
        config.gateway.url = *url;
    }
    return config;
}

std::vector<TokenId> spendable_tokens(const Config& config) {
    std::vector<TokenId> out = config.spending.tokens;
    if (!config.chain.contracts.usdc.is_zero()) {
        out.insert(out.begin(), {config.chain.chain_id, config.chain.contracts.usdc});
    }
    return out;
}

namespace {

template <class Section>
void write_records(toml::table& table, const Section& section) {
    if (section.access_log) {
        table.insert("access_log", true);
    }
    if (section.traces_per_thousand > 0) {
        table.insert("traces_per_thousand", static_cast<std::int64_t>(section.traces_per_thousand));
    }
}

void write_ens(toml::table& table, const registry::EnsSettings& ens) {
    if (ens.rpc_urls.empty()) {
        return;
    }
    toml::array urls;
    for (const std::string& url : ens.rpc_urls) {
        urls.push_back(url);
    }
    table.insert("ens",
        toml::table{{"rpc", std::move(urls)}, {"id", static_cast<std::int64_t>(ens.chain_id)},
            {"finality_depth", static_cast<std::int64_t>(ens.finality_depth)},
            {"registry", to_string(ens.registry)}});
}

void write_limits(toml::table& table, const GatewayConfig& gateway) {
    for (const auto& [name, limit] : {std::pair("per_address", &gateway.per_address),
             {"per_payer", &gateway.per_payer}, {"per_deployment", &gateway.per_deployment}}) {
        toml::table written;
        for (const auto& [key, value] : {std::pair("per_second", limit->per_second),
                 {"burst", limit->burst}, {"concurrent", limit->concurrent}}) {
            if (value > 0) {
                written.insert(key, static_cast<std::int64_t>(value));
            }
        }
        if (!written.empty()) {
            table.insert(name, std::move(written));
        }
    }
}

toml::table spending_table(const SpendingConfig& spending) {
    toml::array tokens;
    for (const TokenId& token : spending.tokens) {
        tokens.push_back(token.to_string());
    }
    return toml::table{{"max_price", format_usdc(spending.limits.max_price)},
        {"max_per_provider", format_usdc(spending.limits.max_per_provider)},
        {"max_per_day", format_usdc(spending.limits.max_per_day)}, {"tokens", std::move(tokens)}};
}

}  // namespace

std::string format_config(const Config& config) {
    const ChainConfig& chain = config.chain;
    const auto list = [](const std::vector<std::string>& texts) {
        toml::array out;
        for (const std::string& text : texts) {
            out.push_back(text);
        }
        return out;
    };
    const auto integer = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
    const toml::table table{{"account", config.account},
        {"chain", toml::table{{"rpc", list(chain.rpc_urls)}, {"id", integer(chain.chain_id)},
                      {"finality_depth", integer(chain.finality_depth)},
                      {"first_block", integer(chain.first_block)},
                      {"usdc", to_string(chain.contracts.usdc)},
                      {"registry", to_string(chain.contracts.registry)},
                      {"registrar", to_string(chain.contracts.registrar)},
                      {"resolver", to_string(chain.contracts.resolver)},
                      {"escrow", to_string(chain.contracts.escrow)}}},
        {"gateway", toml::table{{"url", config.gateway.url}, {"listen", config.gateway.listen},
                        {"domain", config.gateway.domain},
                        {"allow_local_providers", config.gateway.allow_local_providers}}},
        {"provider",
            toml::table{{"name", config.provider.name}, {"account", config.provider.account},
                {"listen", config.provider.listen}, {"console", config.provider.console},
                {"price", format_usdc(config.provider.price)}, {"x402", config.provider.x402},
                {"x402_max_unsettled", format_usdc(config.provider.x402_max_unsettled)},
                {"max_exposure_per_channel", format_usdc(config.provider.max_exposure_per_channel)},
                {"max_exposure_per_identity",
                    format_usdc(config.provider.max_exposure_per_identity)},
                {"max_exposure", format_usdc(config.provider.max_exposure)},
                {"gas_price_gwei",
                    format_usdc(Amount(config.provider.gas.wei_per_gas / kWeiOfLastDecimal))},
                {"usdc_per_coin", format_usdc(config.provider.gas.per_coin)},
                {"free_bytes", integer(config.provider.free_bytes)},
                {"runtimes", list(config.provider.runtimes)},
                {"gateways", list(config.provider.gateways)},
                {"peers", list(config.provider.peers)},
                {"content_sources", list(config.provider.content_sources)},
                {"content_routers", list(config.provider.content_routers)},
                {"dnslink", config.provider.dnslink},
                {"dns_servers", list(config.provider.dns_servers)},
                {"websites", list(config.provider.websites)},
                {"http_proxy", config.provider.http_proxy},
                {"failed_attempts", integer(config.provider.failed_attempts)},
                {"cache_bytes", integer(config.provider.cache_bytes)},
                {"native_seconds", integer(config.provider.native_seconds)},
                {"freeze_seconds", integer(config.provider.freeze_seconds)},
                {"stream_seconds", integer(config.provider.stream_seconds)},
                {"egress", list(net::to_texts(config.provider.egress))},
                {"egress_private", config.provider.egress_private},
                {"egress_bytes_per_hour", integer(config.provider.egress_bytes_per_hour)}}},
        {"spending", spending_table(config.spending)}};
    std::vector<std::string> listed;
    listed.reserve(config.trials.listed.size());
    for (const Address& address : config.trials.listed) {
        listed.push_back(to_string(address));
    }
    std::ostringstream out;
    toml::table written = table;
    written.insert("trials",
        toml::table{{"automatic", config.trials.automatic},
            {"calls_per_identity", integer(config.trials.calls_per_identity)},
            {"calls_per_day", integer(config.trials.calls_per_day)}, {"listed", list(listed)}});
    if (config.content.engine != "embedded") {
        written.insert("content", content_table(config.content));
    }
    if (!config.provider.public_url.empty()) {
        written["provider"].as_table()->insert("public_url", config.provider.public_url);
    }
    write_ens(*written["chain"].as_table(), chain.ens);
    write_tls(*written["gateway"].as_table(), config.gateway);
    write_tls(*written["provider"].as_table(), config.provider);
    write_records(*written["gateway"].as_table(), config.gateway);
    write_records(*written["provider"].as_table(), config.provider);
    write_limits(*written["gateway"].as_table(), config.gateway);
    if (!config.gateway.console.empty()) {
        written["gateway"].as_table()->insert("console", config.gateway.console);
    }
    out << written << "\n";
    return out.str();
}

Result<void> save_config(const Home& home, const Config& config) {
    return store::write_file_atomically(home.config_file(), as_bytes(format_config(config)));
}

Result<void> save_provider(const Home& home, const ProviderConfig& provider) {
    auto text = store::read_file(home.config_file(), kMaxConfigBytes);
    if (!text && text.error() != make_error_code(CommonError::not_found)) {
        return fail(std::move(text.error()));
    }
    Config config;
    config.provider = provider;
    const std::string whole = internal::replace_section(
        text ? as_text(*text) : std::string_view(), "provider", format_config(config));
    TRY_VOID(parse_config(whole, home.config_file().string()));
    return store::write_file_atomically(home.config_file(), as_bytes(whole));
}

}  // namespace decloud::client
