#pragma once

#include "../context.hpp"

#include <decloud/net/http/message.hpp>

#include <cstdio>
#include <string>

namespace decloud::cli::internal {

/// Where an answer's body goes, and the start of it for the text of a refusal.
class AnswerOutput {
  public:
    /// Empty or "-": standard output.
    explicit AnswerOutput(std::string path) : path_(std::move(path)) {}
    ~AnswerOutput();
    AnswerOutput(const AnswerOutput&) = delete;
    AnswerOutput& operator=(const AnswerOutput&) = delete;

    /// First, then the body in pieces. Errors: io, disk_full.
    Result<void> head(const net::http::ResponseHead& head);
    Result<void> body(BytesView bytes);
    /// Ends it. Says on standard error what a refusal says.
    Result<void> finish();

  private:
    std::string path_;
    std::FILE* file_ = nullptr;
    int status_ = 0;
    std::string type_;
    Bytes problem_;
};

}  // namespace decloud::cli::internal
