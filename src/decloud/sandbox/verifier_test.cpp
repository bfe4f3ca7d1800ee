#include "verifier.hpp"

#include "testing/fixture.hpp"

#include <string_view>

namespace decloud::sandbox {

namespace {

using Kind = Verdict::Kind;
using ::testing::HasSubstr;

std::string leb(std::int64_t value) {
    std::string out;
    while (true) {
        const auto low = static_cast<char>(value & 0x7f);
        value >>= 7;
        const bool sign = (low & 0x40) != 0;
        if ((value == 0 && !sign) || (value == -1 && sign)) {
            return out + low;
        }
        out += static_cast<char>(low | 0x80);
    }
}

std::string counted(std::string_view text) {
    return static_cast<char>(text.size()) + std::string(text);
}

/// A module whose functions return constants.
struct ConstantVerifier {
    std::int32_t minimum = 1;
    std::int32_t address = 0;
    std::int32_t verdict = 0;
    std::string_view import = {};
    std::string_view verify_name = "verify";

    [[nodiscard]] std::string module() const {
        const auto section = [](char number, const std::string& content) {
            return number + counted(content);
        };
        const auto body = [](std::int32_t number) {
            return counted(std::string(1, '\0') + "\x41" + leb(number) + "\x0b");
        };
        const char first = import.empty() ? 0 : 1;
        const auto function = [&](std::string_view name, int index) {
            return counted(name) + std::string(1, '\0') + static_cast<char>(first + index);
        };
        using namespace std::string_literals;
        std::string out = "\0asm\x01\0\0\0"s;
        out +=
            section(1, "\x03\x60\0\x01\x7f\x60\x01\x7f\x01\x7f\x60\x04\x7f\x7f\x7f\x7f\x01\x7f"s);
        if (!import.empty()) {
            out += section(2, "\x01"s + counted("env") + counted(import) + "\0\0"s);
        }
        out += section(3, "\x03\x01\0\x02"s);
        out += section(5, "\x01\0\x01"s);
        out += section(7, "\x04"s + counted("memory") + "\x02\0"s + function("alloc", 0) +
                              function("minRequests", 1) + function(verify_name, 2));
        return out + section(10, "\x03"s + body(address) + body(minimum) + body(verdict));
    }
};

class VerifierTest : public testing::SandboxTest {
  protected:
    SandboxSettings settings() override {
        SandboxSettings wanted = SandboxTest::settings();
        wanted.runtimes.emplace_back("verifier");
        return wanted;
    }

    Result<std::shared_ptr<const Artifact>> prepared(const ConstantVerifier& verifier) {
        return prepare("verifier", "probe", "owner",
            testing::make_zip({{.path = "probe", .content = verifier.module(), .mode = 0100755}}));
    }
    std::string refusal(const ConstantVerifier& verifier) {
        const auto artifact = prepared(verifier);
        return artifact ? "it was prepared" : artifact.error().message();
    }

    Result<Verdict> verify(std::shared_ptr<const Artifact> artifact,
        std::string_view requests,
        std::string_view responses,
        std::uint32_t answers = kMaximumAnswers) {
        Verifier verifier(*sandbox_, std::move(artifact));
        return run(verifier.verify(answers, to_bytes(requests), to_bytes(responses), {}));
    }
    /// By the test's program.
    Result<Verdict> verify(std::string_view requests,
        std::string_view responses,
        std::uint32_t answers = kMaximumAnswers) {
        if (!program_) {
            auto artifact = prepare("verifier", "wasm_verifier");
            if (!artifact) {
                return fail(artifact.error());
            }
            program_ = std::move(*artifact);
        }
        return verify(program_, requests, responses, answers);
    }
    static Verdict judged(std::uint32_t wrong) {
        return Verdict{.kind = Kind::judged, .wrong = wrong};
    }
    static void expect_no_verdict(const Result<Verdict>& verdict, std::string_view why) {
        ASSERT_FALSE(verdict.has_value());
        EXPECT_EQ(verdict.error(), make_error_code(CommonError::invalid_input));
        EXPECT_THAT(verdict.error().message(), HasSubstr(std::string(why)));
    }

    std::shared_ptr<const Artifact> program_;
};

TEST_F(VerifierTest, SaysWhichAnswersAreWrong) {
    EXPECT_EQ(verify("c", "aaa", 3), judged(0));
    EXPECT_EQ(verify("c", "aba", 3), judged(0b010));
    EXPECT_EQ(verify("c", std::string(30, 'a') + "b"), judged(1U << 30));
}

TEST_F(VerifierTest, SaysThatItCannotTellOrThatTheInputIsNoInput) {
    EXPECT_EQ(verify("u", "a"), Verdict{.kind = Kind::undecided});
    EXPECT_EQ(verify("i", "a"), Verdict{.kind = Kind::invalid_input});
}

TEST_F(VerifierTest, SaysHowManyAnswersItWants) {
    const auto artifact = prepare("verifier", "wasm_verifier");
    ASSERT_TRUE(artifact) << artifact.error().message();
    EXPECT_EQ(run(Verifier(*sandbox_, *artifact).min_requests({})), 3U);
}

TEST_F(VerifierTest, TakesAnswersOfAllSizes) {
    for (const std::size_t size : {0U, 1U, 98'304U, 98'305U, 3'000'000U}) {
        EXPECT_EQ(verify("s", std::string(size, 'x')), judged(static_cast<std::uint32_t>(size)));
    }
}

TEST_F(VerifierTest, StartsAnewEachTime) {
    EXPECT_EQ(verify("f", "a"), judged(1));
    EXPECT_EQ(verify("f", "a"), judged(1));
}

TEST_F(VerifierTest, HasOneNanAndTheSameMemoryEverywhere) {
    EXPECT_EQ(verify("n", "a"), judged(0x7fc0'0000U >> 1));
    const auto grown = verify("g", "a");
    ASSERT_TRUE(grown) << grown.error().message();
    EXPECT_GT(grown->wrong, 1000U);
    EXPECT_LT(grown->wrong, 1024U);
}

TEST_F(VerifierTest, EndsWhatDoesNotEnd) {
    expect_no_verdict(verify("l", "a"), "fuel");
    EXPECT_EQ(verify("c", "ab", 2), judged(0b10));
}

TEST_F(VerifierTest, EndsWhatBreaks) {
    expect_no_verdict(verify("?", "a"), "unreachable");
    expect_no_verdict(verify("d", "a"), "call stack exhausted");
    EXPECT_EQ(verify("c", "ab", 2), judged(0b10));
}

TEST_F(VerifierTest, RefusesVerdictsOnAnswersThatWereNotThere) {
    expect_no_verdict(verify("c", "aab", 2), "not there");
    expect_no_verdict(verify("c", "", 0), "0 answers");
    expect_no_verdict(verify("c", "", kMaximumAnswers + 1), "32 answers");
}

TEST_F(VerifierTest, RefusesCountsThatMeanNothing) {
    for (const std::int32_t minimum : {0, -1, 32, 2'147'483'647}) {
        const auto artifact = prepared({.minimum = minimum});
        ASSERT_TRUE(artifact) << artifact.error().message();
        Verifier verifier(*sandbox_, *artifact);
        EXPECT_EQ(
            run(verifier.min_requests({})).error(), make_error_code(CommonError::invalid_input))
            << minimum;
    }
}

TEST_F(VerifierTest, WritesOnlyWhereThereIsMemory) {
    for (const std::int32_t address : {-1, 65'535, 2'147'483'647}) {
        const auto artifact = prepared({.address = address});
        ASSERT_TRUE(artifact) << artifact.error().message();
        expect_no_verdict(verify(*artifact, "ab", "cd"), "outside");
    }
}

TEST_F(VerifierTest, MayImportNothing) {
    EXPECT_THAT(refusal({.import = "clock"}), HasSubstr("imports"));
}

TEST_F(VerifierTest, ExportsAllThatIsAskedOfIt) {
    EXPECT_THAT(refusal({.verify_name = "verity"}), HasSubstr("export verify"));
}

TEST_F(VerifierTest, AnswersNoRequests) {
    const auto artifact = prepared({});
    ASSERT_TRUE(artifact) << artifact.error().message();
    const auto sink = std::make_shared<testing::CollectingSink>();
    const Outcome outcome = run(
        sandbox_->answer(*artifact, {}, {}, std::make_shared<MemoryBody>(Bytes{}), sink, {}, {}));
    EXPECT_EQ(outcome.end, Outcome::End::limit);
    EXPECT_TRUE(sink->bytes.empty());
}

}  // namespace

}  // namespace decloud::sandbox
