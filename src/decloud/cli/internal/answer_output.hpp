#pragma once

#include "../context.hpp"

#include <decloud/net/http/message.hpp>

#include <cstdint>
#include <cstdio>
#include <string>

namespace decloud::cli::internal {

/// Where an answer's body goes, and the start of it for the text of a refusal.
class AnswerOutput {
  public:
    /// What becomes of a file that is there already.
    enum class Existing { replaced, continued };

    /// Empty or "-": standard output.
    explicit AnswerOutput(std::string path, Existing existing = Existing::replaced)
        : path_(std::move(path)), existing_(existing) {}
    ~AnswerOutput();
    AnswerOutput(const AnswerOutput&) = delete;
    AnswerOutput& operator=(const AnswerOutput&) = delete;

    /// Where a file is continued: asks for what it has not, by `Range`. Again before each try.
    Result<void> ask_for_rest(net::http::Headers& headers);
    /// First, then the body in pieces. Errors: io, disk_full; invalid_input for another part than
    /// was asked for.
    Result<void> head(const net::http::ResponseHead& head);
    Result<void> body(BytesView bytes);
    /// Ends it. Says on standard error what a refusal says.
    Result<void> finish();
    /// True if the file that was to be continued was whole already.
    [[nodiscard]] bool was_whole() const { return was_whole_; }

  private:
    [[nodiscard]] Result<const char*> mode_for(const net::http::ResponseHead& head);
    void close();

    std::string path_;
    Existing existing_;
    /// Bytes that the file has.
    std::uint64_t present_ = 0;
    bool was_whole_ = false;
    std::FILE* file_ = nullptr;
    int status_ = 0;
    std::string type_;
    Bytes problem_;
};

}  // namespace decloud::cli::internal
