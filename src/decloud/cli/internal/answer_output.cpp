#include "answer_output.hpp"

#include <decloud/client/http.hpp>

namespace decloud::cli::internal {

namespace {

constexpr std::size_t kMaxProblem = 64 * 1024;

}  // namespace

AnswerOutput::~AnswerOutput() {
    if (file_ != nullptr && file_ != stdout) {
        (void)std::fclose(file_);
    }
}

Result<void> AnswerOutput::head(const net::http::ResponseHead& head) {
    status_ = head.status;
    type_ = std::string(head.headers.find("Content-Type").value_or(""));
    file_ = path_.empty() || path_ == "-" ? stdout : std::fopen(path_.c_str(), "wbe");
    return file_ == nullptr ? fail(errno_error("open " + path_)) : Result<void>{};
}

Result<void> AnswerOutput::body(BytesView bytes) {
    if (status_ >= 400 && problem_.size() < kMaxProblem) {
        append(problem_, bytes);
    }
    if (file_ == stdout) {
        return write_output(bytes);
    }
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) {
        return fail(errno_error("write " + path_));
    }
    return {};
}

Result<void> AnswerOutput::finish() {
    if (file_ != stdout && std::fflush(file_) != 0) {
        return fail(errno_error("write " + path_));
    }
    if (status_ >= 400) {
        tell_error(client::remote_error(status_, type_, problem_));
    }
    return {};
}

}  // namespace decloud::cli::internal
