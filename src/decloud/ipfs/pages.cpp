#include "pages.hpp"

#include <decloud/base/encoding.hpp>

#include <fmt/format.h>

#include <iterator>

namespace decloud::ipfs {

namespace {

constexpr std::string_view kStyle =
    "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em}"
    "table{border-collapse:collapse;width:100%}td{border-top:1px solid #ccc;padding:.2em .5em;"
    "overflow-wrap:anywhere}.ipfs-hash{font-family:monospace;color:#666}pre{overflow-x:auto}";

std::string head(std::string_view title) {
    return fmt::format(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n"
        "<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n",
        escape_html(title), kStyle);
}

/// "/ipfs/<a href="/ipfs/CID">CID</a>/<a …>name</a>": every segment behind the space is a link.
std::string breadcrumbs(const Listing& listing) {
    std::string out;
    std::string_view rest = listing.path;
    std::string below = listing.below_link;
    for (int i = 0; !rest.empty(); ++i) {
        rest.remove_prefix(1);
        const std::size_t end = std::min(rest.find('/'), rest.size());
        const std::string_view segment = rest.substr(0, end);
        rest.remove_prefix(end);
        if (i == 0) {
            out += "/" + escape_html(segment);
            continue;
        }
        below += i == 1 ? std::string() : "/" + escape_path(segment);
        out += fmt::format("/<a href=\"{}\">{}</a>",
            escape_html(i == 1 ? listing.root_link : below), escape_html(segment));
    }
    return out;
}

/// Where the listing itself is, for links from it.
std::string own_path(const Listing& listing) {
    return escape_path(std::string_view(listing.path).substr(listing.mount.size()));
}

/// A link to an entry by its cid alone.
std::string cid_link(const Listing& listing, const content::DirectoryEntry& entry) {
    const std::string cid = entry.cid.to_string();
    if (!listing.cid_link) {
        return fmt::format(
            "<a class=\"ipfs-hash\" translate=\"no\" href=\"https://cid.ipfs.tech/#{0}\" "
            "target=\"_blank\" rel=\"noreferrer noopener\">{0}</a>",
            cid);
    }
    // The suite wants the name in the query escaped twice, as Kubo has it.
    return fmt::format(
        "<a class=\"ipfs-hash\" translate=\"no\" href=\"{}/ipfs/{}?filename={}\">{}</a>",
        escape_html(*listing.cid_link), cid, percent_encode(percent_encode(entry.name)), cid);
}

/// Behind "/ipfs/CID" there is more.
bool is_below_root(const Listing& listing) {
    const std::size_t root = listing.path.find('/', 1);
    return root != std::string::npos && listing.path.find('/', root + 1) != std::string::npos;
}

}  // namespace

std::string escape_html(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&#34;";
                break;
            case '\'':
                out += "&#39;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

std::string escape_path(std::string_view path) {
    std::string out;
    for (;;) {
        const std::size_t slash = path.find('/');
        out += percent_encode(path.substr(0, slash));
        if (slash == std::string_view::npos) {
            return out;
        }
        out += '/';
        path.remove_prefix(slash + 1);
    }
}

std::string listing_page(const Listing& listing) {
    std::string out = head(listing.path);
    auto to = std::back_inserter(out);
    fmt::format_to(to, "<h1>Index of</h1>\n<p>{}</p>\n<p class=\"ipfs-hash\">{}</p>\n<table>\n",
        breadcrumbs(listing), listing.cid.to_string());
    const std::string here = escape_html(own_path(listing));
    if (is_below_root(listing)) {
        fmt::format_to(to, "<tr><td><a href=\"{}/..\">..</a></td><td></td><td></td></tr>\n", here);
    }
    for (const content::DirectoryEntry& entry : listing.entries) {
        const std::string name = percent_encode(entry.name);
        fmt::format_to(to, "<tr><td><a href=\"{}/{}\">{}</a></td><td>{}</td><td>{}</td></tr>\n",
            here, escape_html(name), escape_html(entry.name), cid_link(listing, entry),
            entry.tsize);
    }
    out += "</table>\n";
    if (listing.truncated) {
        out +=
            "<p>There is more than is listed here; ask for a CAR with dag-scope=entity to have "
            "all of it.</p>\n";
    }
    return out + "</body>\n</html>\n";
}

std::string document_page(const content::Cid& cid, std::string_view json, std::string_view note) {
    std::string out = head(cid.to_string());
    fmt::format_to(std::back_inserter(out),
        "<h1>{0}</h1>\n<p><a href=\"?format=raw\">raw block</a> · <a href=\"?format=car\">CAR</a>"
        "</p>\n<p>{1}</p>\n<pre>{2}</pre>\n</body>\n</html>\n",
        cid.to_string(), escape_html(note), escape_html(json));
    return out;
}

}  // namespace decloud::ipfs
