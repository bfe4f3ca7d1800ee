#pragma once

#include "task.hpp"

#include <memory>

namespace decloud::async {

/// Owns tasks that run beside their starter: nothing is detached. Single threaded: used on its
/// executor. Destroy it only after `join()` has returned; the destructor ends the program
/// otherwise.
class TaskGroup {
  public:
    /// Empty. Tasks run on `executor`.
    explicit TaskGroup(Executor executor);
    ~TaskGroup();
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;

    /// Starts `task`. An exception that leaves it is a bug, but for operation_aborted: it is logged
    /// and the program ends.
    /// After `cancel()` nothing new is started.
    void spawn(Task<void> task);
    /// Asks every running task to stop: its pending Asio operation ends with operation_aborted.
    void cancel();
    /// Waits until every task has ended.
    [[nodiscard]] Task<void> join();
    /// How many tasks have not ended.
    [[nodiscard]] std::size_t size() const;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace decloud::async
