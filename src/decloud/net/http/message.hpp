#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::net::http {

/// Header fields in the order of arrival, duplicates kept; names compare without regard to case.
/// Copying copies the text. The views it gives live until it is changed or destroyed.
class Headers {
  public:
    /// One field; the views live until the `Headers` are changed or destroyed.
    struct Field {
        std::string_view name;
        std::string_view value;
    };

    /// Walks the fields in order. Invalid once they are changed or destroyed.
    class Iterator {
      public:
        /// What std::input_iterator asks for; fields are given by value.
        using value_type = Field;
        using difference_type = std::ptrdiff_t;
        Iterator() = default;
        Field operator*() const { return headers_->at(index_); }
        Iterator& operator++() {
            ++index_;
            return *this;
        }
        Iterator operator++(int) {
            Iterator before = *this;
            ++index_;
            return before;
        }
        friend bool operator==(const Iterator&, const Iterator&) = default;

      private:
        friend class Headers;
        Iterator(const Headers* headers, std::size_t index) : headers_(headers), index_(index) {}
        const Headers* headers_ = nullptr;
        std::size_t index_ = 0;
    };

    Headers() = default;
    /// These fields, in this order.
    Headers(std::initializer_list<Field> fields);

    /// The first value.
    [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;
    /// Every value, in the order of arrival.
    [[nodiscard]] std::vector<std::string_view> all(std::string_view name) const;
    /// True if there is a field of that name.
    [[nodiscard]] bool contains(std::string_view name) const { return find(name).has_value(); }
    /// How many fields have that name.
    [[nodiscard]] std::size_t count(std::string_view name) const;
    /// True if one of the comma-separated tokens of the header is `token` (without regard to case).
    [[nodiscard]] bool has_token(std::string_view name, std::string_view token) const;

    /// Appends a field. The caller vouches for its characters (`is_valid_field`), the server and
    /// the client refuse to send others.
    void add(std::string_view name, std::string_view value);
    /// Replaces every field of that name by one.
    void set(std::string_view name, std::string_view value);
    /// Removes every field of that name.
    void remove(std::string_view name);
    /// Removes the fields for which `predicate(Field)` is true.
    template <class Predicate>
    void remove_if(Predicate predicate) {
        std::erase_if(fields_, [&](const Slot& slot) { return predicate(view(slot)); });
    }
    /// Removes all fields and their text.
    void clear();

    /// How many fields there are, repeated ones counted each time.
    [[nodiscard]] std::size_t size() const { return fields_.size(); }
    [[nodiscard]] bool empty() const { return fields_.empty(); }
    /// `index` is below `size()`.
    [[nodiscard]] Field at(std::size_t index) const { return view(fields_[index]); }
    /// For range-based loops.
    [[nodiscard]] Iterator begin() const { return {this, 0}; }
    [[nodiscard]] Iterator end() const { return {this, fields_.size()}; }

  private:
    struct Slot {
        std::uint32_t name_at;
        std::uint32_t name_size;
        std::uint32_t value_at;
        std::uint32_t value_size;
    };
    [[nodiscard]] Field view(const Slot& slot) const {
        const std::string_view text = text_;
        return {
            text.substr(slot.name_at, slot.name_size), text.substr(slot.value_at, slot.value_size)};
    }

    std::string text_;
    std::vector<Slot> fields_;
};

/// True for a token name and a value of visible characters, spaces, tabs and bytes above 0x7f.
[[nodiscard]] bool is_valid_field(std::string_view name, std::string_view value);
/// True for RFC 9110's token.
[[nodiscard]] bool is_token(std::string_view text);

/// A request's first line and fields.
struct RequestHead {
    std::string method{};
    /// As sent: origin form, absolute form or "*".
    std::string target{};
    Headers headers{};
    bool http_1_0 = false;

    /// The part of the target before "?" (and, of an absolute form, after the authority), as sent.
    [[nodiscard]] std::string_view path() const;
    /// The part after "?", as sent; empty if there is none.
    [[nodiscard]] std::string_view query() const;
};

/// A response's status line and fields.
struct ResponseHead {
    int status = 200;
    /// Empty: the standard phrase.
    std::string reason{};
    Headers headers{};
};

/// "Not Found" for 404; "Status" for what has no phrase.
[[nodiscard]] std::string_view reason_phrase(int status);

}  // namespace decloud::net::http
