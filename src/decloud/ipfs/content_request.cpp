#include "content_request.hpp"

#include "pages.hpp"

#include <decloud/base/ascii.hpp>
#include <decloud/base/encoding.hpp>

#include <algorithm>
#include <array>
#include <ranges>
#include <utility>

namespace decloud::ipfs {

namespace {

struct Named {
    std::string_view word;
    std::string_view media_type;
    Format format;
};

constexpr std::array kFormats = {
    Named{"raw", "application/vnd.ipld.raw", Format::raw},
    Named{"car", "application/vnd.ipld.car", Format::car},
    Named{"tar", "application/x-tar", Format::tar},
    Named{"ipns-record", "application/vnd.ipfs.ipns-record", Format::ipns_record},
    Named{"dag-json", "application/vnd.ipld.dag-json", Format::dag_json},
    Named{"dag-cbor", "application/vnd.ipld.dag-cbor", Format::dag_cbor},
    Named{"json", "application/json", Format::json},
    Named{"cbor", "application/cbor", Format::cbor},
    Named{"", "text/html", Format::html},
};

std::string_view trimmed(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    return text.substr(0, text.find_last_not_of(" \t") + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> out;
    for (;;) {
        const std::size_t end = text.find(separator);
        out.push_back(text.substr(0, end));
        if (end == std::string_view::npos) {
            return out;
        }
        text.remove_prefix(end + 1);
    }
}

/// One media range of an Accept header.
struct MediaRange {
    Format format = Format::natural;
    double quality = 1;
    std::string version{};
    std::string order{};
    std::string duplicates{};
};

/// A weight in thousandths as RFC 9110 §12.4.2 has it: "0.5", "1", "1.000".
double quality_of(std::string_view text) {
    if (text.starts_with("1")) {
        return 1;
    }
    double value = 0;
    double place = 0.1;
    for (const char digit : text.substr(std::min<std::size_t>(2, text.size()))) {
        value += digit >= '0' && digit <= '9' ? place * (digit - '0') : 0;
        place /= 10;
    }
    return value;
}

std::optional<MediaRange> parse_media_range(std::string_view text) {
    const std::vector<std::string_view> parts = split(text, ';');
    const std::string type = to_lower(trimmed(parts.front()));
    const auto known = std::ranges::find(kFormats, type, &Named::media_type);
    if (known == kFormats.end()) {
        return std::nullopt;
    }
    MediaRange range{.format = known->format};
    for (const std::string_view part : parts | std::views::drop(1)) {
        const std::size_t equals = std::min(part.find('='), part.size());
        const std::string name = to_lower(trimmed(part.substr(0, equals)));
        const std::string_view value = trimmed(part.substr(std::min(equals + 1, part.size())));
        if (name == "q") {
            range.quality = quality_of(value);
        } else if (name == "version") {
            range.version = value;
        } else if (name == "order") {
            range.order = value;
        } else if (name == "dups") {
            range.duplicates = value;
        }
    }
    return range;
}

bool is_offered(const MediaRange& range) {
    return (range.version.empty() || range.version == "1") &&
           (range.order.empty() || range.order == "dfs" || range.order == "unk") &&
           (range.duplicates.empty() || range.duplicates == "y" || range.duplicates == "n");
}

std::vector<MediaRange> parse_accept(const net::http::RequestHead& head) {
    std::vector<MediaRange> out;
    for (const std::string_view header : head.headers.all("Accept")) {
        for (const std::string_view part : split(header, ',')) {
            if (auto range = parse_media_range(part); range && range->quality > 0) {
                // Behind those of the same weight that came before.
                const auto place = std::ranges::upper_bound(
                    out, range->quality, std::ranges::greater(), &MediaRange::quality);
                out.insert(place, std::move(*range));
            }
        }
    }
    return out;
}

/// The first value of each name in a query, percent-decoded.
class Query {
  public:
    static Answered<Query> parse(std::string_view text) {
        Query query;
        for (const std::string_view part : split(text, '&')) {
            const std::size_t equals = std::min(part.find('='), part.size());
            std::string raw(part.substr(std::min(equals + 1, part.size())));
            std::ranges::replace(raw, '+', ' ');
            auto value = percent_decode(raw);
            if (!value) {
                return refuse(400, "a query with a bad percent escape");
            }
            query.values_.emplace_back(part.substr(0, equals), std::move(*value));
        }
        return query;
    }

    [[nodiscard]] std::optional<std::string> find(std::string_view name) const {
        const auto found =
            std::ranges::find(values_, name, &std::pair<std::string, std::string>::first);
        return found == values_.end() ? std::nullopt : std::optional(found->second);
    }

  private:
    std::vector<std::pair<std::string, std::string>> values_;
};

Answered<void> read_format(
    ContentRequest& request, const Query& query, const std::vector<MediaRange>& accepted) {
    if (const auto word = query.find("format"); word && !word->empty()) {
        const auto known = std::ranges::find(kFormats, *word, &Named::word);
        if (known == kFormats.end()) {
            return refuse(400, "\"" + *word + "\" is no format that this gateway knows");
        }
        request.format = known->format;
        return {};
    }
    const auto best = std::ranges::find_if(accepted,
        [](const MediaRange& range) { return range.format != Format::car || is_offered(range); });
    if (best == accepted.end()) {
        return accepted.empty() ? Answered<void>{}
                                : refuse(406, "CARs are version 1, depth first, dups=y or dups=n");
    }
    request.format = best->format;
    request.from_accept = best->format != Format::html;
    return {};
}

Answered<void> read_scope(CarOptions& car, const Query& query) {
    const std::string scope = query.find("dag-scope").value_or("");
    if (const auto bytes = query.find("entity-bytes"); bytes && !bytes->empty()) {
        car.bytes = parse_entity_bytes(*bytes);
        if (!car.bytes) {
            return refuse(400, "entity-bytes is FROM:TO, each a number, TO perhaps *");
        }
        car.scope = DagScope::entity;
    }
    if (scope == "block") {
        car.scope = DagScope::block;
    } else if (scope == "entity") {
        car.scope = DagScope::entity;
    } else if (scope == "all" && !car.bytes) {
        car.scope = DagScope::all;
    } else if (!scope.empty() && scope != "all") {
        return refuse(400, "dag-scope is block, entity or all");
    }
    return {};
}

Answered<void> read_car(
    CarOptions& car, const Query& query, const std::vector<MediaRange>& accepted) {
    const auto accept = std::ranges::find_if(accepted,
        [](const MediaRange& range) { return range.format == Format::car && is_offered(range); });
    MediaRange wanted = accept == accepted.end() ? MediaRange{} : *accept;
    wanted.version = query.find("car-version").value_or(wanted.version);
    wanted.order = query.find("car-order").value_or(wanted.order);
    wanted.duplicates = query.find("car-dups").value_or(wanted.duplicates);
    if (!is_offered(wanted)) {
        return refuse(400, "CARs are version 1, depth first, car-dups=y or car-dups=n");
    }
    car.duplicates = wanted.duplicates == "y";
    return read_scope(car, query);
}

Answered<void> read_path(ContentRequest& request) {
    std::string_view rest = request.path;
    rest.remove_prefix(1);
    std::vector<std::string_view> parts = split(rest, '/');
    if (parts.size() < 2 || (parts[0] != "ipfs" && parts[0] != "ipns") || parts[1].empty()) {
        return refuse(400, "a path is /ipfs/{cid} or /ipns/{name}, and what is below");
    }
    if (parts.size() > kMaxSegments + 2) {
        return refuse(414, "a path of too many segments");
    }
    request.space = parts[0];
    request.trailing_slash = parts.back().empty();
    for (const std::string_view part : parts | std::views::drop(1)) {
        if (part.empty()) {
            continue;
        }
        auto segment = percent_decode(part);
        if (!segment || segment->find('\0') != std::string::npos) {
            return refuse(400, "a path with a bad percent escape");
        }
        if (segment->size() > kMaxSegment) {
            return refuse(414, "a segment of the path is too long");
        }
        if (*segment == ".." || *segment == ".") {
            return refuse(400, "a path is without \".\" and \"..\"");
        }
        request.segments.push_back(std::move(*segment));
    }
    request.name = std::move(request.segments.front());
    request.segments.erase(request.segments.begin());
    return {};
}

}  // namespace

std::string_view format_word(Format format) {
    const auto known = std::ranges::find(kFormats, format, &Named::format);
    return known == kFormats.end() ? std::string_view() : known->word;
}

std::optional<std::string> path_of_uri(const net::http::RequestHead& head) {
    const std::string_view path = head.path();
    if (path != "/ipfs/" && path != "/ipns/") {
        return std::nullopt;
    }
    const auto query = Query::parse(head.query());
    const std::string uri = query ? query->find("uri").value_or("") : "";
    const std::string scheme = std::string(path.substr(1, 4)) + "://";
    return uri.starts_with(scheme) && uri.size() > scheme.size() && uri[scheme.size()] != '/'
               ? std::optional(std::string(path) + escape_path(uri.substr(scheme.size())))
               : std::nullopt;
}

Answered<ContentRequest> parse_content_request(
    const net::http::RequestHead& head, std::string_view mount) {
    ContentRequest request;
    request.mount = mount;
    std::string_view own = head.path();
    // A browser would take a redirect to "//name/" for another host.
    while (!mount.empty() && own.starts_with("//")) {
        own.remove_prefix(1);
    }
    request.path = std::string(mount) + std::string(own);
    request.query = head.query();
    if (auto read = read_path(request); !read) {
        return std::unexpected(std::move(read.error()));
    }
    auto query = Query::parse(request.query);
    if (!query) {
        return std::unexpected(std::move(query.error()));
    }
    const std::vector<MediaRange> accepted = parse_accept(head);
    if (auto read = read_format(request, *query, accepted); !read) {
        return std::unexpected(std::move(read.error()));
    }
    if (request.format == Format::car) {
        if (auto read = read_car(request.car, *query, accepted); !read) {
            return std::unexpected(std::move(read.error()));
        }
    }
    request.filename = query->find("filename").value_or("").substr(0, kMaxSegment);
    request.download = query->find("download") == "true";
    request.only_if_cached = head.headers.has_token("Cache-Control", "only-if-cached");
    return request;
}

}  // namespace decloud::ipfs
