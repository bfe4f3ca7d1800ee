#include "planner.hpp"

#include "../car_stream.hpp"
#include "../pages.hpp"
#include "../tar_stream.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/crypto/hash.hpp>
#include <decloud/multiformats/ipld.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace decloud::ipfs {

Refusal refusal_from(const Error& error) {
    struct Known {
        CommonError error;
        int status;
    };
    constexpr std::array kKnown = {Known{CommonError::not_found, 404},
        Known{CommonError::permission_denied, 451}, Known{CommonError::invalid_input, 422},
        Known{CommonError::limit_exceeded, 422}};
    for (const Known& known : kKnown) {
        if (error == make_error_code(known.error)) {
            return {.status = known.status, .detail = error.message()};
        }
    }
    if (error == make_error_code(CommonError::unavailable)) {
        return {.status = 503, .detail = "where the content is kept does not answer now"};
    }
    return {.status = 500, .detail = "the content could not be read"};
}

}  // namespace decloud::ipfs

namespace decloud::ipfs::internal {

using content::Cid;
using multiformats::Codec;

namespace {

struct DocumentForm {
    Codec codec;
    Format format;
    /// Also asked for as this.
    Format plain;
    std::string_view type;
    std::string_view plain_type;
};

constexpr std::array kDocuments = {
    DocumentForm{Codec::dag_json, Format::dag_json, Format::json, "application/vnd.ipld.dag-json",
        "application/json"},
    DocumentForm{Codec::dag_cbor, Format::dag_cbor, Format::cbor, "application/vnd.ipld.dag-cbor",
        "application/cbor"},
    DocumentForm{Codec::json, Format::json, Format::json, "application/json", "application/json"},
    DocumentForm{multiformats::kCborCodec, Format::cbor, Format::cbor, "application/cbor",
        "application/cbor"},
};

const DocumentForm* document_form(Codec codec) {
    const auto* const found = std::ranges::find(kDocuments, codec, &DocumentForm::codec);
    return found == kDocuments.end() ? nullptr : found;
}

std::unexpected<Refusal> refused(const Error& error) {
    return std::unexpected(refusal_from(error));
}

}  // namespace

Planner::Planner(const content::BlockStore& store,
    const ContentRequest& request,
    const Conditions& conditions,
    Target target)
    : store_(store),
      request_(request),
      conditions_(conditions),
      target_(std::move(target)),
      resolved_{.cid = target_.root, .roots = {}, .passed = {}, .remainder = {}} {}

Answered<Plan> Planner::plan() {
    const auto held = store_.has(target_.root);
    if (held && !*held && request_.only_if_cached) {
        return refuse(412, target_.root.to_string() + " is not held here");
    }
    auto resolved = resolve(store_, target_.root, target_.segments);
    if (!resolved) {
        const bool is_missing = resolved.error() == make_error_code(CommonError::not_found);
        const bool is_page = request_.format == Format::natural || request_.format == Format::html;
        if (is_missing && is_page && target_.has_own_origin()) {
            auto redirected = plan_redirects();
            if (!redirected) {
                return std::unexpected(std::move(redirected.error()));
            }
            if (std::optional<Plan>& plan = *redirected) {
                return std::move(*plan);
            }
        }
        return refused(resolved.error());
    }
    resolved_ = std::move(*resolved);
    return plan_resolved();
}

Answered<Plan> Planner::plan_resolved() {
    if (!resolved_.remainder.empty()) {
        return refuse(501, "values inside a document are not given on their own");
    }
    switch (request_.format) {
        case Format::raw:
            return plan_raw();
        case Format::car:
            return plan_car();
        case Format::tar:
            return plan_tar();
        case Format::ipns_record:
            return refuse(406, "only names under /ipns have records");
        default:
            break;
    }
    return document_form(resolved_.cid.codec()) != nullptr ? plan_document() : plan_unixfs();
}

std::string Planner::save_as(std::string_view fallback) const {
    return request_.filename.empty() ? std::string(fallback) : request_.filename;
}

Plan Planner::begin(const Representation& what) const {
    Plan plan;
    net::http::Headers& headers = plan.head.headers;
    headers.add("Content-Type", what.type);
    headers.add("Etag", what.etag);
    if (target_.max_age) {
        headers.add("Cache-Control", fmt::format("public, max-age={}", *target_.max_age));
    } else {
        headers.add("Cache-Control",
            what.immutable ? "public, max-age=29030400, immutable"
                           : "public, max-age=604800, stale-while-revalidate=2678400");
    }
    headers.add("Vary", "Accept");
    add_path(headers, request_, resolved_.roots);
    if (request_.from_accept) {
        headers.add("Content-Location",
            fmt::format("{}?{}{}format={}", request_.path.substr(request_.mount.size()),
                request_.query, request_.query.empty() ? "" : "&", format_word(request_.format)));
    }
    return plan;
}

std::optional<Plan> Planner::not_modified(const Representation& what) const {
    if (!conditions_.has_already(what.etag)) {
        return std::nullopt;
    }
    Plan plan = begin(what);
    plan.head.status = 304;
    return plan;
}

Plan Planner::unsatisfiable(Plan plan, std::uint64_t size) {
    plan.head.status = 416;
    plan.head.headers.set("Content-Type", "text/plain; charset=utf-8");
    plan.head.headers.set("Cache-Control", "no-store");
    plan.head.headers.add("Content-Range", fmt::format("bytes */{}", size));
    plan.body = to_bytes(fmt::format("there are {} bytes\n", size));
    return plan;
}

Answered<Plan> Planner::send_bytes(Plan plan, const std::string& etag, Bytes bytes) const {
    plan.head.headers.add("Accept-Ranges", "bytes");
    const RangeChoice choice = conditions_.choose(etag, bytes.size());
    if (choice.unsatisfiable) {
        return unsatisfiable(std::move(plan), bytes.size());
    }
    if (choice.range) {
        plan.head.status = 206;
        plan.head.headers.add("Content-Range",
            fmt::format("bytes {}-{}/{}", choice.range->first, choice.range->last, bytes.size()));
        bytes = to_bytes(BytesView(bytes).subspan(
            choice.range->first, choice.range->last - choice.range->first + 1));
    }
    plan.body = std::move(bytes);
    return plan;
}

Answered<Plan> Planner::plan_raw() {
    const std::string cid = resolved_.cid.to_string();
    const Representation what{.etag = "\"" + cid + ".raw\"", .type = "application/vnd.ipld.raw"};
    auto data = content::require_block(store_, resolved_.cid);
    if (!data) {
        return refused(data.error());
    }
    if (auto same = not_modified(what)) {
        return std::move(*same);
    }
    Plan plan = begin(what);
    plan.head.headers.add("Content-Disposition", disposition(true, save_as(cid + ".bin")));
    return send_bytes(std::move(plan), what.etag, std::move(*data));
}

Answered<Plan> Planner::plan_car() {
    const std::string cid = resolved_.cid.to_string();
    if (const auto data = content::require_block(store_, resolved_.cid); !data) {
        return refused(data.error());
    }
    const CarOptions& car = request_.car;
    std::string shape = fmt::format("{}|{}|{}", request_.space + "/" + request_.name,
        static_cast<int>(car.scope), car.duplicates);
    for (const Cid& root : resolved_.roots) {
        shape += "/" + root.to_string();
    }
    if (car.bytes) {
        shape += fmt::format("|{}:{}", car.bytes->from,
            car.bytes->to ? std::to_string(*car.bytes->to) : std::string("*"));
    }
    const auto digest = crypto::sha256(shape);
    const Representation what{
        .etag = fmt::format("W/\"{}.car.{}\"", cid, to_hex(BytesView(digest).first(8))),
        .type = fmt::format(
            "application/vnd.ipld.car; version=1; order=dfs; dups={}", car.duplicates ? "y" : "n")};
    if (auto same = not_modified(what)) {
        return std::move(*same);
    }
    Plan plan = begin(what);
    plan.head.headers.add("Accept-Ranges", "none");
    plan.head.headers.add("Content-Disposition", disposition(true, save_as(cid + ".car")));
    plan.stream = std::make_unique<CarStream>(store_, std::move(resolved_), car);
    return plan;
}

Answered<Plan> Planner::plan_tar() {
    const std::string cid = resolved_.cid.to_string();
    const Representation what{.etag = "W/\"" + cid + ".x-tar\"", .type = "application/x-tar"};
    auto stream = TarStream::open(store_, resolved_.cid, cid);
    if (!stream) {
        return refused(stream.error());
    }
    if (auto same = not_modified(what)) {
        return std::move(*same);
    }
    Plan plan = begin(what);
    plan.head.headers.add("Accept-Ranges", "none");
    plan.head.headers.add("Content-Disposition", disposition(true, save_as(cid + ".tar")));
    plan.stream = std::move(*stream);
    return plan;
}

Answered<Plan> Planner::plan_document() {
    const std::string cid = resolved_.cid.to_string();
    const DocumentForm& form = *document_form(resolved_.cid.codec());
    if (request_.format == Format::html &&
        (form.format == Format::dag_json || form.format == Format::dag_cbor)) {
        return plan_document_page();
    }
    const bool as_is = request_.format == Format::natural || request_.format == Format::html ||
                       request_.format == form.format;
    if (!as_is && request_.format != form.plain) {
        return refuse(406, cid + " is " + std::string(format_word(form.format)) +
                               ", and documents are not converted");
    }
    const Format given = as_is ? form.format : form.plain;
    const Representation what{.etag = fmt::format("\"{}.{}\"", cid, format_word(given)),
        .type = std::string(as_is ? form.type : form.plain_type)};
    auto data = content::require_block(store_, resolved_.cid);
    if (!data) {
        return refused(data.error());
    }
    if (auto same = not_modified(what)) {
        return std::move(*same);
    }
    const bool is_json = form.plain == Format::json;
    Plan plan = begin(what);
    plan.head.headers.add("Content-Disposition",
        disposition(!is_json || request_.download, save_as(cid + (is_json ? ".json" : ".cbor"))));
    return send_bytes(std::move(plan), what.etag, std::move(*data));
}

Answered<Plan> Planner::plan_document_page() {
    constexpr std::size_t kMostShown = std::size_t{256} << 10U;
    const Cid& cid = resolved_.cid;
    const Representation what{
        .etag = fmt::format("\"DagIndex-{}_CID-{}\"", kPageVersion, cid.to_string()),
        .type = "text/html; charset=utf-8",
        .immutable = false};
    const auto data = content::require_block(store_, cid);
    if (!data) {
        return refused(data.error());
    }
    if (auto same = not_modified(what)) {
        return std::move(*same);
    }
    const auto value = cid.codec() == Codec::dag_cbor ? multiformats::decode_dag_cbor(*data)
                                                      : multiformats::decode_dag_json(*data);
    if (!value) {
        return refused(value.error());
    }
    std::string text = multiformats::encode_dag_json(*value);
    const bool is_cut = text.size() > kMostShown;
    text.resize(std::min(text.size(), kMostShown));
    Plan plan = begin(what);
    plan.body = to_bytes(document_page(cid, text,
        is_cut ? "This is the beginning of a longer document, as DAG-JSON." : "As DAG-JSON."));
    return plan;
}

}  // namespace decloud::ipfs::internal
