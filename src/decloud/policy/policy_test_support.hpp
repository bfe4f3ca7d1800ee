#pragma once

#include "policy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace decloud::policy {

inline const std::string kAnna = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK";
inline const std::string kBert = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
inline const std::string kCora = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8";

/// Files by name, as `Policy::parse` asks for them.
inline ReadFile files(std::map<std::string, std::string> texts) {
    return [texts = std::move(texts)](
               const std::string& name, std::uint64_t most) -> Result<std::string> {
        const auto found = texts.find(name);
        if (found == texts.end()) {
            return fail(CommonError::not_found, name);
        }
        if (found->second.size() > most) {
            return fail(CommonError::limit_exceeded, name);
        }
        return found->second;
    };
}

inline Policy policy_of(const std::string& text, std::map<std::string, std::string> others = {}) {
    auto policy = Policy::parse(text, "p.toml", files(std::move(others)));
    EXPECT_TRUE(policy) << (policy ? "" : policy.error().message());
    return policy ? std::move(*policy) : Policy();
}

inline std::string error_of(
    const std::string& text, std::map<std::string, std::string> others = {}) {
    const auto policy = Policy::parse(text, "p.toml", files(std::move(others)));
    return policy ? "no error" : policy.error().detail();
}

inline Credential credential(const std::string& id) {
    return {.kind = id.starts_with("did:") ? "opencloud" : "ethereum", .id = id};
}

/// Scores by id; 500,000 else.
class Scores final : public protocol::ReputationView {
  public:
    explicit Scores(std::map<std::string, std::uint32_t, std::less<>> scores)
        : scores_(std::move(scores)) {}
    [[nodiscard]] std::uint32_t score(std::string_view id) const override {
        const auto found = scores_.find(id);
        return found == scores_.end() ? 500'000 : found->second;
    }

  private:
    std::map<std::string, std::uint32_t, std::less<>> scores_;
};

/// A question that owns what it views.
struct Asked {
    std::vector<Credential> credentials;
    Question question{.service = "compute", .method = "call"};

    explicit Asked(const std::vector<std::string>& ids = {}) {
        for (const std::string& id : ids) {
            credentials.push_back(credential(id));
        }
        question.currency = "USDC";
    }
    [[nodiscard]] Decision of(const Policy& policy) {
        question.credentials = credentials;
        return policy.decide(question);
    }
    [[nodiscard]] Verdict verdict(const Policy& policy) { return of(policy).verdict; }
};

}  // namespace decloud::policy
