// Markdown on standard input, HTML on standard output: a fragment, or with ?title= a whole page.
//
// A program with a CGI interface: the request's method and query are in the environment, its body
// on standard input; the answer's headers, an empty line and the answer's body go to standard
// output.

#include <cmark.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace {

constexpr std::size_t kMaximumBody = 4 * 1024 * 1024;

struct Answer {
    std::string_view status;
    std::string_view content_type;
    std::string body;
    std::string_view more_headers = "";
};

Answer refuse(std::string_view status, std::string text, std::string_view more_headers = "") {
    return {status, "text/plain; charset=utf-8", std::move(text) + "\n", more_headers};
}

std::string_view environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

std::optional<int> hex_digit(char digit) {
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    if (digit >= 'A' && digit <= 'F') {
        return digit - 'A' + 10;
    }
    return std::nullopt;
}

/// The text behind form encoding (`+`, `%41`); nothing if it is not well formed.
std::optional<std::string> decode(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            result += text[i] == '+' ? ' ' : text[i];
            continue;
        }
        if (i + 2 >= text.size()) {
            return std::nullopt;
        }
        const auto high = hex_digit(text[i + 1]);
        const auto low = hex_digit(text[i + 2]);
        if (!high || !low) {
            return std::nullopt;
        }
        result += static_cast<char>(*high * 16 + *low);
        i += 2;
    }
    return result;
}

/// The value of `name` in the query, still encoded; nothing if it is not there.
std::optional<std::string_view> query_value(std::string_view query, std::string_view name) {
    while (!query.empty()) {
        const auto item = query.substr(0, query.find('&'));
        query.remove_prefix(item.size() == query.size() ? item.size() : item.size() + 1);
        if (item.substr(0, item.find('=')) == name) {
            return item.size() > name.size() ? item.substr(name.size() + 1) : std::string_view{};
        }
    }
    return std::nullopt;
}

std::string escape(std::string_view text) {
    std::string result;
    for (const char c : text) {
        switch (c) {
            case '&':
                result += "&amp;";
                break;
            case '<':
                result += "&lt;";
                break;
            case '>':
                result += "&gt;";
                break;
            case '"':
                result += "&quot;";
                break;
            default:
                result += c;
        }
    }
    return result;
}

/// Standard input; nothing if it is over the limit.
std::optional<std::string> read_body() {
    std::string body;
    char buffer[16 * 1024];
    while (const auto count = std::fread(buffer, 1, sizeof buffer, stdin)) {
        body.append(buffer, count);
        if (body.size() > kMaximumBody) {
            return std::nullopt;
        }
    }
    return body;
}

/// HTML of Markdown. Raw HTML and links such as `javascript:` are left out.
std::string render(const std::string& markdown) {
    const std::unique_ptr<char, decltype(&std::free)> html(
        cmark_markdown_to_html(markdown.data(), markdown.size(), CMARK_OPT_VALIDATE_UTF8),
        &std::free);
    return html.get();
}

std::string page(const std::string& title, const std::string& content) {
    return "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta name=\"viewport\" content=\"width=device-width\">\n<title>" +
           escape(title) + "</title>\n</head>\n<body>\n" + content + "</body>\n</html>\n";
}

Answer convert(std::string_view query) {
    const auto encoded = query_value(query, "title");
    const auto title = encoded ? decode(*encoded) : std::nullopt;
    if (encoded && !title) {
        return refuse(
            "400 Bad Request", "title is not well encoded: after % come two hexadecimal digits");
    }
    const auto markdown = read_body();
    if (!markdown) {
        return refuse("413 Content Too Large", "the text is over 4 MiB");
    }
    if (markdown->empty()) {
        return refuse("400 Bad Request", "the body is empty: send Markdown");
    }
    const auto html = render(*markdown);
    return {"200 OK", "text/html; charset=utf-8", title ? page(*title, html) : html};
}

Answer respond(std::string_view method) {
    if (method == "GET" || method == "HEAD") {
        return refuse(
            "200 OK", "Send Markdown as the body; get HTML back. ?title= makes it a whole page.");
    }
    if (method != "POST" && method != "PUT") {
        return refuse("405 Method Not Allowed", "send the text with POST or PUT",
            "Allow: GET, HEAD, POST, PUT\r\n");
    }
    return convert(environment("QUERY_STRING"));
}

bool write(std::string_view text) {
    return std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
}

}  // namespace

int main() {
    const auto method = environment("REQUEST_METHOD");
    const auto answer = respond(method.empty() ? "POST" : method);
    const auto head = "Status: " + std::string(answer.status) +
                      "\r\nContent-Type: " + std::string(answer.content_type) + "\r\n" +
                      std::string(answer.more_headers) + "\r\n";
    const bool written = write(head) && (method == "HEAD" || write(answer.body));
    return written && std::fflush(stdout) == 0 ? 0 : 1;
}
