#include "passphrase.hpp"

#include "../context.hpp"

#include <decloud/client/error.hpp>
#include <decloud/identity/error.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>

namespace decloud::cli::internal {

namespace {

constexpr const char* kVariable = "DECLOUD_PASSPHRASE";
constexpr const char* kNewVariable = "DECLOUD_NEW_PASSPHRASE";
constexpr std::string_view kHowToGive =
    "--passphrase-file FILE (its first line; - for standard input), or DECLOUD_PASSPHRASE";

crypto::Secret copy(const crypto::Secret& secret) { return crypto::Secret(secret.view()); }

class Descriptor {
  public:
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (number_ > STDERR_FILENO) {
            close(number_);
        }
    }
    [[nodiscard]] int get() const { return number_; }

  private:
    int number_;
};

// Up to the first line's end, byte by byte, so that nothing behind it is taken. With `signals` it
// waits under that mask, so that one that comes just before the waiting ends it too.
Result<crypto::Secret> read_line(int descriptor, const sigset_t* signals = nullptr) {
    crypto::Secret line(identity::kMaxPassphrase + 2);
    std::size_t size = 0;
    for (;;) {
        if (size == line.size()) {
            return fail(CommonError::limit_exceeded, "the passphrase has more than " +
                                                         std::to_string(identity::kMaxPassphrase) +
                                                         " bytes");
        }
        pollfd input{.fd = descriptor, .events = POLLIN, .revents = 0};
        if (signals != nullptr && ppoll(&input, 1, nullptr, signals) < 0) {
            return fail(errno_error("wait for the passphrase"));
        }
        const ssize_t count = ::read(descriptor, line.writable().data() + size, 1);
        if (count < 0) {
            return fail(errno_error("read the passphrase"));
        }
        if (count == 0 || line.view()[size] == '\n') {
            break;
        }
        ++size;
    }
    if (size > 0 && line.view()[size - 1] == '\r') {
        --size;
    }
    return crypto::Secret(line.view().first(size));
}

// While it lives a terminal shows nothing that is typed, and a signal that would end the program
// only ends the reading, so that the terminal is as it was afterwards.
class SilentTerminal {
  public:
    SilentTerminal() {
        interrupted = 0;
        sigset_t blocked;
        sigemptyset(&blocked);
        for (const int number : kSignals) {
            sigaddset(&blocked, number);
        }
        pthread_sigmask(SIG_BLOCK, &blocked, &mask_);
        struct sigaction action{};
        action.sa_handler = [](int number) { interrupted = number; };
        for (std::size_t i = 0; i < kSignals.size(); ++i) {
            sigaction(kSignals.at(i), &action, &before_.at(i));
        }
        silent_ = tcgetattr(STDIN_FILENO, &modes_) == 0;
        termios modes = modes_;
        modes.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        silent_ = silent_ && tcsetattr(STDIN_FILENO, TCSAFLUSH, &modes) == 0;
    }
    SilentTerminal(const SilentTerminal&) = delete;
    SilentTerminal& operator=(const SilentTerminal&) = delete;
    ~SilentTerminal() {
        if (silent_) {
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &modes_);
        }
        for (std::size_t i = 0; i < kSignals.size(); ++i) {
            sigaction(kSignals.at(i), &before_.at(i), nullptr);
        }
        pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
    }
    /// The signals that were blocked before; while nothing waits under this mask, ours wait too.
    [[nodiscard]] const sigset_t& mask() const { return mask_; }
    [[nodiscard]] bool silent() const { return silent_; }
    [[nodiscard]] static bool was_interrupted() { return interrupted != 0; }

  private:
    static constexpr std::array kSignals{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
    static inline volatile std::sig_atomic_t interrupted = 0;
    std::array<struct sigaction, kSignals.size()> before_{};
    sigset_t mask_{};
    termios modes_{};
    bool silent_ = false;
};

Result<crypto::Secret> ask(const std::string& question) {
    const SilentTerminal terminal;
    if (!terminal.silent()) {
        return fail(CommonError::io, "the terminal cannot be kept from showing what is typed");
    }
    std::fputs(question.c_str(), stderr);
    (void)std::fflush(stderr);
    auto line = read_line(STDIN_FILENO, &terminal.mask());
    std::fputs("\n", stderr);
    if (SilentTerminal::was_interrupted()) {
        return fail(CommonError::cancelled, "no passphrase was typed");
    }
    return line;
}

bool is_terminal() { return isatty(STDIN_FILENO) != 0 && isatty(STDERR_FILENO) != 0; }

std::unexpected<Error> missing(const std::string& what) {
    return fail(IdentityError::passphrase_required,
        what + "\nhelp: give it with " + std::string(kHowToGive));
}

void warn_if_others_may_read(int descriptor, const std::string& file) {
    struct stat status{};
    if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) &&
        (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        tell("others may read " + file + ", which holds a passphrase");
    }
}

/// A variable's value, taken out of the environment.
std::optional<crypto::Secret> take_variable(const char* name) {
    char* const value = std::getenv(name);
    if (value == nullptr) {
        return std::nullopt;
    }
    std::optional<crypto::Secret> out;
    const std::span<std::uint8_t> bytes(reinterpret_cast<std::uint8_t*>(value), std::strlen(value));
    if (!bytes.empty()) {
        out = crypto::Secret(BytesView(bytes));
    }
    crypto::wipe(bytes);
    (void)unsetenv(name);
    return out;
}

Result<void> read_first_line(const std::string& file, std::optional<crypto::Secret>& out) {
    const bool standard_input = file == "-";
    if (standard_input && isatty(STDIN_FILENO) != 0) {
        return {};
    }
    const Descriptor source(
        standard_input ? STDIN_FILENO : open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (source.get() < 0) {
        return fail_with_help(ClientError::not_authorised, errno_error("open " + file).message(),
            "give the passphrase with " + std::string(kHowToGive));
    }
    if (!standard_input) {
        warn_if_others_may_read(source.get(), file);
    }
    TRY(out, read_line(source.get()));
    return {};
}

/// As typed twice the same.
Result<crypto::Secret> ask_twice(const std::string& account) {
    TRY(auto first, ask("New passphrase of " + account + ": "));
    TRY(const auto second, ask("The same again: "));
    if (!equal_constant_time(first.view(), second.view())) {
        return fail(ClientError::usage, "the two passphrases differ");
    }
    return first;
}

Result<crypto::Secret> not_empty(const crypto::Secret& chosen) {
    if (chosen.empty()) {
        return fail(ClientError::usage, "an empty passphrase protects nothing");
    }
    return copy(chosen);
}

}  // namespace

PassphraseReader::PassphraseReader()
    : given_(take_variable(kVariable)), replacement_(take_variable(kNewVariable)) {}

Result<void> PassphraseReader::read_file(const std::string& file) {
    return read_first_line(file, given_);
}

Result<void> PassphraseReader::read_replacement_file(const std::string& file) {
    return read_first_line(file, replacement_);
}

Result<crypto::Secret> PassphraseReader::existing(const std::string& account) {
    if (given_) {
        return copy(*given_);
    }
    if (const auto found = typed_.find(account); found != typed_.end()) {
        return copy(found->second);
    }
    if (!is_terminal()) {
        return missing(account + " is encrypted");
    }
    TRY(auto typed, ask("Passphrase of " + account + ": "));
    return copy(typed_.emplace(account, std::move(typed)).first->second);
}

Result<crypto::Secret> PassphraseReader::fresh(const std::string& account) {
    const bool known = given_ || typed_.contains(account);
    if (!known && !is_terminal()) {
        return missing(account + " is to be encrypted");
    }
    if (!known) {
        TRY(auto typed, ask_twice(account));
        typed_.insert_or_assign(account, std::move(typed));
    }
    return not_empty(given_ ? *given_ : typed_.at(account));
}

Result<crypto::Secret> PassphraseReader::replacement(const std::string& account) {
    if (!replacement_ && !is_terminal()) {
        return fail(IdentityError::passphrase_required,
            "the new passphrase of " + account +
                " is missing\nhelp: give it with --new-passphrase-file FILE (its first line; - for "
                "standard input), or DECLOUD_NEW_PASSPHRASE");
    }
    if (!replacement_) {
        TRY(replacement_, ask_twice(account));
    }
    return not_empty(*replacement_);
}

void PassphraseReader::forget() {
    given_.reset();
    replacement_.reset();
    typed_.clear();
}

}  // namespace decloud::cli::internal
