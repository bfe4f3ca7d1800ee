#include "../content_type.hpp"
#include "../pages.hpp"
#include "planner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <utility>

namespace decloud::ipfs::internal {

using content::Cid;
using multiformats::Codec;

namespace {

constexpr std::size_t kMostListed = 10'000;

std::unexpected<Refusal> refused(const Error& error) {
    return std::unexpected(refusal_from(error));
}

/// Some bytes of a file.
class FileStream final : public BodyStream {
  public:
    FileStream(content::FileReader reader, std::uint64_t length)
        : reader_(std::move(reader)), left_(length) {}

    [[nodiscard]] Result<Bytes> next() override {
        if (left_ == 0) {
            return Bytes{};
        }
        TRY(Bytes piece, reader_.next());
        if (piece.empty()) {
            return fail(CommonError::corrupt, "a file that is shorter than it says");
        }
        piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), left_)));
        left_ -= piece.size();
        return piece;
    }

  private:
    content::FileReader reader_;
    std::uint64_t left_;
};

}  // namespace

Answered<Plan> Planner::plan_unixfs() {
    const Cid& cid = resolved_.cid;
    if (cid.codec() != Codec::raw && cid.codec() != Codec::dag_pb) {
        return refuse(406,
            fmt::format("{} is of a codec that is only given with format=raw", cid.to_string()));
    }
    if (request_.format == Format::dag_json || request_.format == Format::dag_cbor) {
        return refuse(406, cid.to_string() + " is no such document, and nothing is converted");
    }
    const auto info = content::stat_node(store_, cid);
    if (!info) {
        return refused(info.error());
    }
    switch (info->kind) {
        case content::NodeKind::directory:
            return plan_directory();
        case content::NodeKind::symlink:
            return plan_symlink();
        case content::NodeKind::file:
            break;
    }
    const std::string name = target_.segments.empty() ? std::string() : target_.segments.back();
    return plan_file(cid, name, "\"" + cid.to_string() + "\"");
}

Answered<Plan> Planner::plan_symlink() {
    const auto link = content::read_symlink(store_, resolved_.cid);
    if (!link) {
        return refused(link.error());
    }
    const Representation what{
        .etag = "\"" + resolved_.cid.to_string() + "\"", .type = "inode/symlink"};
    if (auto same = not_modified(what)) {
        return std::move(*same);
    }
    return send_bytes(begin(what), what.etag, to_bytes(*link));
}

Answered<Plan> Planner::plan_directory() {
    if (request_.format == Format::json || request_.format == Format::cbor) {
        return refuse(406, resolved_.cid.to_string() + " is a directory");
    }
    const auto index = content::find_entry(store_, resolved_.cid, "index.html");
    if (!index && !(index.error() == make_error_code(CommonError::not_found))) {
        return refused(index.error());
    }
    if (!request_.trailing_slash && !is_rewritten_) {
        Plan plan;
        plan.head.status = 301;
        add_path(plan.head.headers, request_, resolved_.roots);
        plan.head.headers.add("Location", request_.path.substr(request_.mount.size()) + "/" +
                                              (request_.query.empty() ? "" : "?" + request_.query));
        return plan;
    }
    return index ? plan_file(*index, "index.html", "\"" + resolved_.cid.to_string() + "\"")
                 : plan_listing();
}

Listing Planner::listing(std::span<const content::DirectoryEntry> entries, bool truncated) const {
    const std::string root = "/" + request_.space + "/" + request_.name;
    Listing out{.path = root,
        .mount = request_.mount,
        .root_link = root,
        .below_link = root,
        .cid_link = "",
        .cid = resolved_.cid,
        .entries = entries,
        .truncated = truncated};
    for (const std::string& segment : request_.segments) {
        out.path += "/" + segment;
    }
    const std::string origin = "//" + target_.origin.authority;
    if (target_.origin.kind == Origin::Kind::content) {
        out.root_link = out.below_link = origin + root;
        out.cid_link = origin;
    } else if (target_.origin.kind == Origin::Kind::website) {
        out.root_link = origin + "/";
        out.below_link = origin;
        out.cid_link.reset();
    }
    return out;
}

Answered<Plan> Planner::plan_listing() {
    const Cid& cid = resolved_.cid;
    const Representation what{
        .etag = fmt::format("\"DirIndex-{}_CID-{}\"", kPageVersion, cid.to_string()),
        .type = "text/html; charset=utf-8",
        .immutable = false};
    if (auto same = not_modified(what)) {
        return std::move(*same);
    }
    const auto entries = content::list_directory(store_, cid, kMostListed);
    const bool too_many =
        !entries && entries.error() == make_error_code(CommonError::limit_exceeded);
    if (!entries && !too_many) {
        return refused(entries.error());
    }
    Plan plan = begin(what);
    plan.body = to_bytes(listing_page(
        listing(too_many ? std::span<const content::DirectoryEntry>() : *entries, too_many)));
    return plan;
}

Answered<Plan> Planner::plan_file(const Cid& cid, std::string_view name, std::string etag) {
    auto reader = content::FileReader::open(store_, cid);
    if (!reader) {
        return refused(reader.error());
    }
    const std::string saved = save_as(name);
    Representation what{.etag = std::move(etag), .type = {}};
    if (request_.format == Format::json || request_.format == Format::cbor) {
        what.type = request_.format == Format::json ? "application/json" : "application/cbor";
    } else {
        what.type = content_type_by_name(saved);
    }
    if (what.type.empty()) {
        // What cannot be read now may lie outside of the range that is asked for.
        const Bytes beginning = reader->next().value_or(Bytes{});
        what.type = beginning.empty() && reader->size() > 0 ? "application/octet-stream"
                                                            : content_type(saved, beginning);
    }
    if (auto same = not_modified(what)) {
        return std::move(*same);
    }
    Plan plan = begin(what);
    net::http::Headers& headers = plan.head.headers;
    headers.add("Accept-Ranges", "bytes");
    if (request_.download || !request_.filename.empty()) {
        headers.add("Content-Disposition",
            disposition(request_.download, saved.empty() ? cid.to_string() : saved));
    }
    const std::uint64_t size = reader->size();
    const RangeChoice choice = conditions_.choose(what.etag, size);
    if (choice.unsatisfiable) {
        return unsatisfiable(std::move(plan), size);
    }
    const ByteRange range = choice.range.value_or(ByteRange{.first = 0, .last = size - 1});
    if (choice.range) {
        plan.head.status = 206;
        headers.add("Content-Range", fmt::format("bytes {}-{}/{}", range.first, range.last, size));
    }
    plan.length = size == 0 ? 0 : range.last - range.first + 1;
    reader->seek(size == 0 ? 0 : range.first);
    plan.stream = std::make_unique<FileStream>(std::move(*reader), *plan.length);
    return plan;
}

Answered<std::optional<Plan>> Planner::plan_redirects() {
    const std::span<const std::string> name(target_.segments.data(), target_.name_segments);
    const auto site = resolve(store_, target_.root, name);
    const auto file = site ? content::find_entry(store_, site->cid, "_redirects")
                           : Result<Cid>(fail(CommonError::not_found));
    if (!file) {
        return std::nullopt;
    }
    // A byte more than is allowed, so that it is the parser that says so.
    const auto text = content::read_file(store_, *file, 2 * kMaxRedirectsFile);
    const auto rules =
        text ? Redirects::parse(as_text(*text)) : Result<Redirects>(fail(text.error()));
    if (!rules) {
        return refuse(500, "could not parse _redirects: " + rules.error().detail());
    }
    std::string path;
    for (const std::string& segment : request_.segments) {
        path += "/" + segment;
    }
    const auto match = rules->find(path);
    if (!match) {
        return std::nullopt;
    }
    if (match->status / 100 != 3) {
        auto page = plan_page_of(*match);
        return page ? Answered<std::optional<Plan>>(std::move(*page))
                    : std::unexpected(std::move(page.error()));
    }
    Plan plan;
    plan.head.status = match->status;
    plan.head.headers.add("Location", match->location);
    return plan;
}

Answered<Plan> Planner::plan_page_of(const Redirects::Match& match) {
    target_.segments.resize(target_.name_segments);
    for (const auto part : std::views::split(match.to, '/')) {
        if (!part.empty()) {
            target_.segments.emplace_back(part.begin(), part.end());
        }
    }
    auto resolved = resolve(store_, target_.root, target_.segments);
    if (!resolved) {
        return refused(resolved.error());
    }
    resolved_ = std::move(*resolved);
    is_rewritten_ = true;
    auto plan = plan_resolved();
    if (plan && plan->head.status == 200) {
        plan->head.status = match.status;
    }
    return plan;
}

}  // namespace decloud::ipfs::internal
