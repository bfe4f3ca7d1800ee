#pragma once

#include "../body_stream.hpp"
#include "../content_request.hpp"
#include "../origin.hpp"
#include "../pages.hpp"
#include "../redirects.hpp"
#include "../resolve.hpp"
#include "headers.hpp"

#include <decloud/content/block_store.hpp>
#include <decloud/content/reader.hpp>
#include <decloud/net/http/message.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::ipfs::internal {

/// What a request is about once its name is known.
struct Target {
    content::Cid root;
    /// Below the root.
    std::vector<std::string> segments;
    /// For names, which can change: how long their answer may be kept, in seconds.
    std::optional<std::uint64_t> max_age{};
    /// How many of the segments belong to the name: below them is what the request asked for.
    std::size_t name_segments = 0;
    Origin origin{};

    /// A page here shares its origin with no other content.
    [[nodiscard]] bool has_own_origin() const {
        return origin.kind == Origin::Kind::content || origin.kind == Origin::Kind::website;
    }
};

/// An answer before it is sent: the body is `body`, or comes from `stream` if there is one.
struct Plan {
    net::http::ResponseHead head{};
    Bytes body{};
    std::unique_ptr<BodyStream> stream{};
    /// Of a stream, if it is known.
    std::optional<std::uint64_t> length{};
};

/// Finds out what to answer. Reads the disk: used on a thread pool. Everything it is given outlives
/// it and its plans.
class Planner {
  public:
    Planner(const content::BlockStore& store,
        const ContentRequest& request,
        const Conditions& conditions,
        Target target);

    /// Refusals: 404, 406, 412, 416, 422, 451, 500, 501.
    [[nodiscard]] Answered<Plan> plan();

  private:
    /// What the caches of clients are told of the answer.
    struct Representation {
        std::string etag;
        std::string type;
        /// Never changes, for content that is asked for by its cid.
        bool immutable = true;
    };

    [[nodiscard]] Answered<Plan> plan_raw();
    [[nodiscard]] Answered<Plan> plan_car();
    [[nodiscard]] Answered<Plan> plan_tar();
    [[nodiscard]] Answered<Plan> plan_document();
    [[nodiscard]] Answered<Plan> plan_document_page();
    [[nodiscard]] Answered<Plan> plan_resolved();
    /// By the website's `_redirects`; nothing if it says nothing about the path.
    [[nodiscard]] Answered<std::optional<Plan>> plan_redirects();
    [[nodiscard]] Answered<Plan> plan_page_of(const Redirects::Match& match);
    [[nodiscard]] Answered<Plan> plan_unixfs();
    [[nodiscard]] Answered<Plan> plan_directory();
    [[nodiscard]] Answered<Plan> plan_listing();
    [[nodiscard]] Listing listing(
        std::span<const content::DirectoryEntry> entries, bool truncated) const;
    [[nodiscard]] Answered<Plan> plan_symlink();
    [[nodiscard]] Answered<Plan> plan_file(
        const content::Cid& cid, std::string_view name, std::string etag);

    [[nodiscard]] Plan begin(const Representation& what) const;
    /// 304, if the client has it.
    [[nodiscard]] std::optional<Plan> not_modified(const Representation& what) const;
    /// 416 with the size that there is.
    [[nodiscard]] static Plan unsatisfiable(Plan plan, std::uint64_t size);
    /// All of it, or the range that is asked for.
    [[nodiscard]] Answered<Plan> send_bytes(Plan plan, const std::string& etag, Bytes bytes) const;
    [[nodiscard]] std::string save_as(std::string_view fallback) const;

    const content::BlockStore& store_;
    const ContentRequest& request_;
    const Conditions& conditions_;
    Target target_;
    Resolved resolved_;
    /// A folder's page is due whether the path ends in a slash or not.
    bool is_rewritten_ = false;
};

}  // namespace decloud::ipfs::internal
