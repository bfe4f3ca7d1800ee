#include "launcher.hpp"

#include "../internal/fd.hpp"
#include "../internal/weak_layers.hpp"
#include "../internal/wire.hpp"
#include "sandbox_box.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <deque>
#include <list>

namespace decloud::sandbox::native {

using internal::UniqueFd;
using std::chrono::steady_clock;

namespace {

/// User ids of sandboxes on the host are taken from here on, a range for each.
constexpr uid_t kFirstUser = 2'100'000'000;
constexpr std::uint32_t kUsers = 10'000;
/// After so many failures in a row the launcher gives up: the next call starts another one.
constexpr std::uint32_t kMaximumUnready = 3;
/// Without a run starting or ending for so long, the processor is taken to be free for spares.
constexpr std::chrono::milliseconds kQuiet{10};

/// As an ordinary user: a user namespace in which mounts may be copied.
Result<void> become_able_to_mount() {
    const uid_t user = ::geteuid();
    const gid_t group = ::getegid();
    if (::unshare(user == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0) {
        return fail(errno_error("unshare"));
    }
    if (user != 0) {
        const auto write = [](const char* path, std::string_view text) -> Result<void> {
            const UniqueFd file(::open(path, O_WRONLY | O_CLOEXEC));
            if (!file) {
                return fail(errno_error(path));
            }
            return internal::write_all(file.get(), as_bytes(text));
        };
        TRY_VOID(write("/proc/self/setgroups", "deny"));
        TRY_VOID(write("/proc/self/uid_map", fmt::format("{0} {0} 1", user)));
        TRY_VOID(write("/proc/self/gid_map", fmt::format("{0} {0} 1", group)));
    }
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) {
        return fail(errno_error("mount propagation"));
    }
    return {};
}

/// Three, of a server one more, and with a way out another one.
bool has_fitting_descriptors(const RunRequest& request, std::size_t count) {
    const std::size_t least = request.numbers.has_way_out != 0 ? 4 : 3;
    return count == least || count == least + 1;
}

/// A run that waits for a sandbox.
struct WaitingRun {
    RunRequest request;
    Bytes message;
    std::vector<UniqueFd> fds;
};

class Launcher {
  public:
    Launcher(int socket, std::uint32_t spares) : socket_(socket), spares_(spares) {}

    /// Tries every layer. False: what is missing is not accepted, and the node has been told.
    bool open(const internal::AcceptedLayers& accepted);
    int serve();

  private:
    using Boxes = std::list<SandboxBox>;

    void say(const Bytes& message) const {
        static_cast<void>(internal::send_message(socket_, message, {}, 0));
    }
    SandboxBox::Settings settings() {
        const uid_t user = ::geteuid();
        const bool filters = has_seccomp_ && !internal::is_left_out("seccomp");
        return {.cgroups = cgroups_,
            .seccomp = filters ? &seccomp_ : nullptr,
            .seccomp_with_tcp = filters ? &seccomp_with_tcp_ : nullptr,
            .use_resource_limits = !has_cgroups_,
            .first_user = user == 0 ? kFirstUser : user,
            .own_user_only = user != 0};
    }
    [[nodiscard]] Result<void> make_filters();
    std::string try_box();
    [[nodiscard]] std::size_t boxes_in(SandboxBox::State state) const {
        return static_cast<std::size_t>(std::ranges::count(boxes_, state, &SandboxBox::state));
    }
    [[nodiscard]] std::size_t idle() const {
        return boxes_in(SandboxBox::State::starting) + boxes_in(SandboxBox::State::spare);
    }
    /// Spares are made when calls leave time for it, or all together when none is left: so most
    /// calls share the processor with none being made.
    bool wants_spare();
    void make_spare();
    bool receive();
    void refuse_cut_off();
    void start_waiting();
    void start(Boxes::iterator box, WaitingRun run);
    void kill_run(std::uint64_t id);
    void terminate_run(std::uint64_t id);
    void freeze_run(std::uint64_t id);
    void thaw_run(std::uint64_t id);
    /// A message that only names a run. False: it is no such message.
    bool receive_about(BytesView message);
    [[nodiscard]] std::string no_freezer() const;
    void kill_overdue();
    void finish(Boxes::iterator box);
    int poll_timeout() const;
    /// False: nothing happened.
    bool wait_for_events(int timeout);
    void close_all();

    int socket_;
    std::uint32_t spares_;
    CgroupTree cgroups_;
    bool has_cgroups_ = false;
    internal::SeccompProgram seccomp_;
    internal::SeccompProgram seccomp_with_tcp_;
    bool has_seccomp_ = false;
    Boxes boxes_;
    std::deque<WaitingRun> waiting_;
    std::uint32_t number_ = 0;
    /// Sandboxes in a row that died before they were ready.
    std::uint32_t unready_ = 0;
    bool node_gone_ = false;
    bool refilling_ = true;
    /// Until something happens, making a spare is not tried again.
    bool making_failed_ = false;
    /// When a run started or ended last.
    steady_clock::time_point last_run_;
    Bytes buffer_ = Bytes(internal::kMaximumMessage);
};

bool Launcher::open(const internal::AcceptedLayers& accepted) {
    std::vector<std::string> missing;
    bool usable = true;
    const auto lack = [&](std::string_view layer, const std::string& why) {
        missing.push_back(fmt::format("{}: {}", layer, why));
        usable = usable && accepted.contains(layer);
    };
    // Before the user namespace: groups are made with the rights we came with.
    if (auto tree = CgroupTree::open()) {
        cgroups_ = std::move(*tree);
        has_cgroups_ = true;
    } else {
        lack("cgroup", tree.error().message());
    }
    if (const auto made = make_filters(); made) {
        has_seccomp_ = true;
    } else {
        lack("seccomp", made.error().message());
    }
    if (auto able = become_able_to_mount(); !able) {
        missing.push_back("namespaces: " + able.error().message());
        usable = false;
    } else if (const std::string why = try_box(); !why.empty()) {
        missing.push_back(why);
        usable = false;
    }
    internal::WireWriter writer;
    writer.put(MessageKind::ready);
    writer.put(static_cast<std::uint8_t>(usable));
    writer.put(static_cast<std::uint32_t>(missing.size()));
    for (const std::string& line : missing) {
        writer.put_text(std::string_view(line).substr(0, 1000));
    }
    writer.put_text(std::string_view(no_freezer()).substr(0, 1000));
    say(writer.bytes());
    return usable;
}

Result<void> Launcher::make_filters() {
    using internal::SystemCalls;
    TRY(seccomp_, internal::make_seccomp_program(SystemCalls::native));
    TRY(seccomp_with_tcp_, internal::make_seccomp_program(SystemCalls::native_with_tcp));
    return {};
}

/// Why sandboxes cannot be frozen, as the first one showed.
std::string Launcher::no_freezer() const {
    const std::string& why = cgroups_.no_freezer();
    if (why.empty() && !boxes_.empty() && !boxes_.front().can_freeze()) {
        return "processes cannot be moved into its group";
    }
    return why;
}

/// Makes the first sandbox and waits until it is ready. Why not, or nothing.
std::string Launcher::try_box() {
    auto box = SandboxBox::make(settings(), ++number_ % kUsers);
    if (!box) {
        return box.error().detail();
    }
    boxes_.push_back(std::move(*box));
    SandboxBox& first = boxes_.back();
    const auto until = steady_clock::now() + std::chrono::seconds(5);
    while (first.state() == SandboxBox::State::starting && first.failure().empty() &&
           steady_clock::now() < until) {
        std::array<pollfd, 2> entries{pollfd{.fd = first.control(), .events = POLLIN, .revents = 0},
            pollfd{.fd = first.pidfd(), .events = POLLIN, .revents = 0}};
        ::poll(entries.data(), entries.size(), 100);
        first.read_control();
        if ((entries[1].revents & POLLIN) != 0) {
            break;
        }
    }
    if (first.state() == SandboxBox::State::spare) {
        return {};
    }
    const std::string why = first.failure().empty() ? "no answer" : first.failure();
    first.kill(Outcome::End::sandbox_failed);
    first.finish();
    boxes_.clear();
    return "namespaces: " + why;
}

bool Launcher::wants_spare() {
    const std::size_t idle = this->idle();
    if (making_failed_ || idle >= std::max<std::size_t>(spares_, waiting_.size())) {
        refilling_ = false;
        return false;
    }
    const bool empty = idle == 0 && boxes_in(SandboxBox::State::running) == 0;
    refilling_ =
        refilling_ || idle < waiting_.size() || empty || steady_clock::now() - last_run_ >= kQuiet;
    return refilling_;
}

void Launcher::make_spare() {
    auto box = SandboxBox::make(settings(), ++number_ % kUsers);
    if (box) {
        boxes_.push_back(std::move(*box));
        return;
    }
    // Whoever waits is told; the next call tries again.
    ++unready_;
    making_failed_ = true;
    for (const WaitingRun& run : std::exchange(waiting_, {})) {
        RunDone done;
        done.id = run.request.numbers.id;
        done.detail = box.error().detail();
        say(encode(done));
    }
}

bool Launcher::receive() {
    while (true) {
        auto message = internal::receive_message(socket_, buffer_, MSG_DONTWAIT);
        if (!message && message.error() == make_error_code(CommonError::corrupt)) {
            refuse_cut_off();
            continue;
        }
        if (!message) {
            return message.error() == make_error_code(CommonError::unavailable);
        }
        if (message->data.empty()) {
            return false;
        }
        if (receive_about(message->data)) {
            continue;
        }
        auto request = parse_run(message->data);
        if (!request || !has_fitting_descriptors(*request, message->fds.size())) {
            return false;
        }
        waiting_.push_back({.request = std::move(*request),
            .message = to_bytes(message->data),
            .fds = std::move(message->fds)});
        start_waiting();
    }
}

bool Launcher::receive_about(BytesView message) {
    internal::WireReader reader(message);
    const auto kind = reader.get<MessageKind>();
    const auto id = reader.get<std::uint64_t>();
    if (kind == MessageKind::kill) {
        kill_run(id);
    } else if (kind == MessageKind::terminate) {
        terminate_run(id);
    } else if (kind == MessageKind::freeze) {
        freeze_run(id);
    } else if (kind == MessageKind::thaw) {
        thaw_run(id);
    } else {
        return false;
    }
    return true;
}

/// A message was longer than any may be, or there was no room for its descriptors: the other runs
/// go on. Its beginning is there.
void Launcher::refuse_cut_off() {
    internal::WireReader reader(buffer_);
    if (reader.get<MessageKind>() == MessageKind::run) {
        RunDone done;
        done.id = reader.get<RunNumbers>().id;
        done.detail = "its request was cut off";
        say(encode(done));
    }
}

void Launcher::start_waiting() {
    while (!waiting_.empty()) {
        const auto box = std::ranges::find(boxes_, SandboxBox::State::spare, &SandboxBox::state);
        if (box == boxes_.end()) {
            return;
        }
        WaitingRun run = std::move(waiting_.front());
        waiting_.pop_front();
        start(box, std::move(run));
    }
}

void Launcher::start(Boxes::iterator box, WaitingRun run) {
    last_run_ = steady_clock::now();
    const auto started = box->start(run.request, run.message, run.fds);
    if (!started) {
        box->kill(Outcome::End::sandbox_failed);
    }
}

void Launcher::kill_run(std::uint64_t id) {
    const auto box = std::ranges::find(boxes_, std::optional(id), &SandboxBox::run_id);
    if (box != boxes_.end()) {
        box->kill(Outcome::End::killed);
        return;
    }
    const auto run = std::ranges::find_if(
        waiting_, [id](const WaitingRun& waiting) { return waiting.request.numbers.id == id; });
    if (run != waiting_.end()) {
        waiting_.erase(run);
        RunDone done;
        done.id = id;
        done.end = Outcome::End::killed;
        say(encode(done));
    }
}

void Launcher::terminate_run(std::uint64_t id) {
    const auto box = std::ranges::find(boxes_, std::optional(id), &SandboxBox::run_id);
    if (box != boxes_.end()) {
        box->terminate();
        return;
    }
    // Not started yet.
    kill_run(id);
}

void Launcher::freeze_run(std::uint64_t id) {
    const auto box = std::ranges::find(boxes_, std::optional(id), &SandboxBox::run_id);
    if (box == boxes_.end() || box->state() != SandboxBox::State::running) {
        // It has not started yet, or is over.
        say(encode(FreezerState{.id = id, .frozen = false}));
        return;
    }
    const bool frozen = box->freeze().has_value();
    if (!frozen && !box->thaw()) {
        box->kill(Outcome::End::sandbox_failed);
    }
    say(encode(FreezerState{.id = id, .frozen = frozen}));
}

void Launcher::thaw_run(std::uint64_t id) {
    const auto box = std::ranges::find(boxes_, std::optional(id), &SandboxBox::run_id);
    if (box != boxes_.end() && !box->thaw()) {
        box->kill(Outcome::End::sandbox_failed);
    }
    say(encode(FreezerState{.id = id, .frozen = false}));
}

void Launcher::kill_overdue() {
    const auto now = steady_clock::now();
    for (SandboxBox& box : boxes_) {
        if (box.deadline() <= now) {
            box.kill(Outcome::End::timed_out);
        }
    }
}

void Launcher::finish(Boxes::iterator box) {
    unready_ = box->state() == SandboxBox::State::starting ? unready_ + 1 : 0;
    const auto done = box->finish();
    cgroups_.give_back(box->take_cgroup());
    boxes_.erase(box);
    if (done) {
        say(encode(*done));
        last_run_ = steady_clock::now();
    }
}

int Launcher::poll_timeout() const {
    const bool refill_later = idle() < spares_ && !making_failed_;
    auto next = refill_later ? last_run_ + kQuiet : steady_clock::time_point::max();
    for (const SandboxBox& box : boxes_) {
        next = std::min(next, box.deadline());
    }
    if (next == steady_clock::time_point::max()) {
        return -1;
    }
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(next - steady_clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
}

bool Launcher::wait_for_events(int timeout) {
    std::vector<pollfd> entries{{.fd = socket_, .events = POLLIN, .revents = 0}};
    for (const SandboxBox& box : boxes_) {
        entries.push_back({.fd = box.pidfd(), .events = POLLIN, .revents = 0});
        entries.push_back({.fd = box.control(), .events = POLLIN, .revents = 0});
    }
    if (::poll(entries.data(), entries.size(), timeout) <= 0) {
        return false;
    }
    std::size_t index = 1;
    for (auto box = boxes_.begin(); box != boxes_.end();) {
        const bool ended = (entries[index].revents & POLLIN) != 0;
        const bool speaks = (entries[index + 1].revents & POLLIN) != 0;
        index += 2;
        const auto current = box++;
        if (speaks) {
            current->read_control();
            if (const auto done = current->take_result()) {
                say(encode(*done));
                last_run_ = steady_clock::now();
            }
        }
        if (ended) {
            finish(current);
        }
    }
    if (entries[0].revents != 0 && !receive()) {
        node_gone_ = true;
    }
    return true;
}

int Launcher::serve() {
    while (!node_gone_ && unready_ < kMaximumUnready) {
        start_waiting();
        // Making one takes a while: what has happened meanwhile comes first.
        const bool refill = wants_spare();
        const bool busy = wait_for_events(refill ? 0 : poll_timeout());
        kill_overdue();
        making_failed_ = making_failed_ && !busy;
        if (refill && !busy) {
            make_spare();
        }
    }
    close_all();
    return node_gone_ ? 0 : 1;
}

void Launcher::close_all() {
    for (SandboxBox& box : boxes_) {
        box.kill(Outcome::End::killed);
    }
    for (SandboxBox& box : boxes_) {
        box.finish();
    }
    boxes_.clear();
    cgroups_ = CgroupTree();
}

}  // namespace

int launcher_main(int socket, const internal::AcceptedLayers& accepted, std::uint32_t spares) {
    ::signal(SIGPIPE, SIG_IGN);
    // Ends by itself when the node is gone, after tidying up: see `serve`.
    ::prctl(PR_SET_PDEATHSIG, 0);
    internal::leave_out(accepted);
    Launcher launcher(socket, spares);
    return launcher.open(accepted) ? launcher.serve() : 1;
}

}  // namespace decloud::sandbox::native
