#include "answer_output.hpp"

#include <decloud/client/http.hpp>

#include <filesystem>

namespace decloud::cli::internal {

namespace {

constexpr std::size_t kMaxProblem = 64 * 1024;

constexpr int kPartial = 206;
constexpr int kRangeNotSatisfiable = 416;

}  // namespace

AnswerOutput::~AnswerOutput() { close(); }

void AnswerOutput::close() {
    if (file_ != nullptr && file_ != stdout) {
        (void)std::fclose(file_);
    }
    file_ = nullptr;
}

Result<void> AnswerOutput::ask_for_rest(net::http::Headers& headers) {
    if (existing_ == Existing::replaced) {
        return {};
    }
    close();
    headers.remove("Range");
    std::error_code missing;
    const auto size = std::filesystem::file_size(path_, missing);
    present_ = missing ? 0 : size;
    if (present_ > 0) {
        headers.set("Range", "bytes=" + std::to_string(present_) + "-");
    }
    return {};
}

/// How the file is opened for this answer; null: what it says is not for the file.
Result<const char*> AnswerOutput::mode_for(const net::http::ResponseHead& head) {
    const auto range = head.headers.find("Content-Range").value_or("");
    if (existing_ == Existing::replaced) {
        return "wbe";
    }
    const std::string present = std::to_string(present_);
    was_whole_ = present_ > 0 && status_ == kRangeNotSatisfiable && range == "bytes */" + present;
    if (status_ >= 400) {
        return nullptr;
    }
    if (status_ != kPartial) {
        return "wbe";
    }
    if (!range.starts_with("bytes " + present + "-")) {
        return fail(CommonError::invalid_input,
            "the answer has \"" + std::string(range) + "\", not what " + path_ + " is without");
    }
    return "abe";
}

Result<void> AnswerOutput::head(const net::http::ResponseHead& head) {
    status_ = head.status;
    type_ = std::string(head.headers.find("Content-Type").value_or(""));
    if (path_.empty() || path_ == "-") {
        file_ = stdout;
        return {};
    }
    TRY(const char* const mode, mode_for(head));
    if (mode == nullptr) {
        return {};
    }
    file_ = std::fopen(path_.c_str(), mode);
    return file_ == nullptr ? fail(errno_error("open " + path_)) : Result<void>{};
}

Result<void> AnswerOutput::body(BytesView bytes) {
    if (status_ >= 400 && problem_.size() < kMaxProblem) {
        append(problem_, bytes);
    }
    if (file_ == stdout) {
        return write_output(bytes);
    }
    if (file_ == nullptr) {
        return {};
    }
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) {
        return fail(errno_error("write " + path_));
    }
    return {};
}

Result<void> AnswerOutput::finish() {
    if (file_ != nullptr && file_ != stdout && std::fflush(file_) != 0) {
        return fail(errno_error("write " + path_));
    }
    if (status_ >= 400 && !was_whole_) {
        tell_error(client::remote_error(status_, type_, problem_));
    }
    return {};
}

}  // namespace decloud::cli::internal
