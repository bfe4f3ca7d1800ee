#pragma once

#include <decloud/base/bytes.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace decloud::sandbox {

/// Names as the program wrote them, in its order, repeated ones kept.
using HeaderPairs = std::vector<std::pair<std::string, std::string>>;

/// What a program answered, before its body.
struct CgiHead {
    int status = 200;
    /// Empty: the standard phrase of `status`.
    std::string reason;
    /// With `Content-Type` always (sniffed if the program gave none). Without `Status`, hop-by-hop
    /// fields, `Content-Length` (see below) and the names that design §4 reserves for the node.
    HeaderPairs headers;
    /// The program's own Content-Length, if it was one valid number.
    std::optional<std::uint64_t> content_length;
    /// False: stdout had no header block and is the body as it is.
    bool from_program = false;
};

/// Tells the header block from the body in a program's stdout (reference §4): CGI/1.1 if the first
/// bytes are a valid block of at most 16 KiB that ends with an empty line, else everything is the
/// body. Pure and incremental. Feed it, and as soon as `head()` is set give it to the client, then
/// `take_body()` after each `feed` and after `finish`.
class CgiParser {
  public:
    /// Longest header block in bytes, with the empty line that ends it.
    static constexpr std::size_t kMaximumHead = 16 * 1024;

    /// How stdout is read: a header block if there is one, always one, never one, or always one
    /// that may also say 101, as the request asks for an upgrade.
    enum class Mode { automatic, cgi, raw, upgrade };
    /// Nothing fed yet.
    explicit CgiParser(Mode mode = Mode::automatic) : mode_(mode) {}

    /// Takes the next bytes of stdout.
    void feed(BytesView data);
    /// stdout has ended: decides what was still open.
    void finish();

    /// Set once it is decided; null before.
    [[nodiscard]] const CgiHead* head() const { return decided_ ? &head_ : nullptr; }
    /// The bytes of the body that came since the last call. Empty before `head()` is set.
    [[nodiscard]] Bytes take_body();
    /// With Mode::cgi and Mode::upgrade: there was no valid header block. The caller answers 502.
    [[nodiscard]] bool malformed() const { return malformed_; }

  private:
    void decide(bool at_end);
    void become_raw();

    Mode mode_;
    Bytes buffer_;
    CgiHead head_;
    bool decided_ = false;
    bool malformed_ = false;
};

/// What a request looks like from the CGI side. Plain values: `net` is on the same floor.
struct CgiRequest {
    std::string method;
    /// The whole prefix in front of the program's own path, as sent: "/p/alice/bafy…", "/bafy…".
    std::string script_name;
    /// What follows it in the path, percent-decoded; empty or with a leading slash.
    std::string path_info;
    /// Without the question mark, as sent.
    std::string query;
    /// The request target as sent.
    std::string request_uri;
    std::string server_name;
    std::uint16_t server_port = 0;
    std::string server_protocol = "HTTP/1.1";
    std::string remote_address;
    bool https = false;
    /// Names in any case, repeated ones apart.
    HeaderPairs headers;
    /// Absent for a chunked body whose length is not known.
    std::optional<std::uint64_t> content_length;
    std::string cid;
    std::chrono::milliseconds deadline{15'000};
    /// The protocol that the client wants to change to; empty: none. Only servers are told. Once
    /// the server has said 101, the request's body is what the client says from then on.
    std::string upgrade;
    /// The manifest asked for the Authorization header.
    bool pass_authorization = false;
};

/// RFC 3875's variables and ours, then `own` (the deployment's environment, which cannot replace
/// any of them). Hop-by-hop headers and those named by Connection, `Proxy`, and those that design
/// §4 reserves are left out; repeated ones are joined by ", " (Cookie by "; "). Names or values
/// with NUL or line breaks are left out.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> make_cgi_environment(
    const CgiRequest& request, const std::vector<std::pair<std::string, std::string>>& own);

/// The request's headers that a program may see, as `make_cgi_environment` chooses them: names in
/// lower case, in their order, repeated ones apart. Without Content-Length.
[[nodiscard]] HeaderPairs forwarded_headers(const CgiRequest& request);

/// True for headers that never pass between a client and a program (design §4), any case.
[[nodiscard]] bool is_reserved_header(std::string_view name);
/// True for RFC 9110 §7.6.1 fields (Connection, Transfer-Encoding, Upgrade, …), any case.
[[nodiscard]] bool is_hop_by_hop_header(std::string_view name);

}  // namespace decloud::sandbox
