#pragma once

#include "service.hpp"

#include <decloud/base/json.hpp>

#include <memory>
#include <string>

namespace decloud::protocol {

/// A free call of `subject` whose answer is known before anything runs.
[[nodiscard]] std::unique_ptr<PreparedCall> make_known_answer(
    std::string subject, json::Object answer);

}  // namespace decloud::protocol
