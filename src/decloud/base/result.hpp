#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

namespace decloud {

/// Why something failed: a code that programs compare and a text that people read.
/// The text never holds a secret.
class Error {
  public:
    /// Implicit from any module's error enum that is registered with `std::is_error_code_enum`.
    template <class Enum>
        requires std::is_error_code_enum_v<Enum>
    // NOLINTNEXTLINE(google-explicit-constructor)
    Error(Enum code) : code_(code) {}

    /// `detail` says what exactly failed and, where there is one, what to do about it.
    Error(std::error_code code, std::string detail) : code_(code), detail_(std::move(detail)) {}

    /// Without a detail; the code says all.
    explicit Error(std::error_code code) : code_(code) {}

    /// What programs compare, as with `error == make_error_code(CommonError::not_found)`.
    [[nodiscard]] const std::error_code& code() const { return code_; }
    /// What exactly failed; may be empty. Lives as long as the error.
    [[nodiscard]] const std::string& detail() const { return detail_; }

    /// One line for people: the code's message, then the detail.
    [[nodiscard]] std::string message() const;

    /// The same code with `context` in front of the detail: "reading spec bafy…: …".
    [[nodiscard]] Error within(std::string_view context) const;

    friend bool operator==(const Error& error, const std::error_code& code) {
        return error.code_ == code;
    }

  private:
    std::error_code code_;
    std::string detail_;
};

/// A value or an `Error`.
template <class T = void>
using Result = std::expected<T, Error>;

/// A failed result: `return fail(ChainError::unreachable, "…")`.
template <class Enum>
    requires std::is_error_code_enum_v<Enum>
[[nodiscard]] std::unexpected<Error> fail(Enum code, std::string detail = {}) {
    return std::unexpected<Error>(Error(std::error_code(code), std::move(detail)));
}

/// Passes an error on: `return fail(std::move(result.error()))`.
[[nodiscard]] inline std::unexpected<Error> fail(Error error) {
    return std::unexpected<Error>(std::move(error));
}

/// Error codes that any module may use when none of its own says more.
enum class CommonError {
    invalid_input = 1,
    limit_exceeded,
    not_found,
    already_exists,
    timeout,
    cancelled,
    corrupt,
    permission_denied,
    unavailable,
    io,
    disk_full,
    conflict,
    internal,
};

/// The code in the category "decloud".
std::error_code make_error_code(CommonError code);

/// A Result from errno with the name of what failed: `errno_error("open " + path)`. ENOSPC and
/// EDQUOT are `disk_full`, ENOENT `not_found`, EACCES and EPERM `permission_denied`, EEXIST
/// `already_exists`.
[[nodiscard]] Error errno_error(std::string_view what);
/// The same for a number that was kept, as other calls change errno.
[[nodiscard]] Error errno_error(std::string_view what, int number);

}  // namespace decloud

/// Lets a CommonError become a std::error_code and an Error by itself.
template <>
struct std::is_error_code_enum<decloud::CommonError> : std::true_type {};

#define DECLOUD_CONCAT_(a, b) a##b
#define DECLOUD_CONCAT(a, b) DECLOUD_CONCAT_(a, b)

/// `TRY(auto x, f());` declares x with f's value or returns f's error.
#define TRY(declaration, ...) \
    TRY_IMPL(return, DECLOUD_CONCAT(try_result_, __LINE__), declaration, __VA_ARGS__)
/// `TRY_VOID(f());` returns f's error if there is one.
#define TRY_VOID(...)                                          \
    if (auto try_status = (__VA_ARGS__); !try_status) {        \
        return std::unexpected(std::move(try_status.error())); \
    }
/// The same in a coroutine: `CO_TRY(auto x, co_await f());`.
#define CO_TRY(declaration, ...) \
    TRY_IMPL(co_return, DECLOUD_CONCAT(try_result_, __LINE__), declaration, __VA_ARGS__)
#define CO_TRY_VOID(...)                                          \
    if (auto try_status = (__VA_ARGS__); !try_status) {           \
        co_return std::unexpected(std::move(try_status.error())); \
    }
#define TRY_IMPL(leave, name, declaration, ...)         \
    auto name = (__VA_ARGS__);                          \
    if (!name) {                                        \
        leave std::unexpected(std::move(name.error())); \
    }                                                   \
    declaration = std::move(*name)
