/// What reads the command line (see common.hpp).

#pragma once

#include <CLI/CLI.hpp>
