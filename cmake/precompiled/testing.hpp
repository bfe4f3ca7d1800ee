/// GoogleTest, for tests (see common.hpp).

#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
