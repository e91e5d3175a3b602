// Samples: plans made by hand that use every field, and how two plans are compared.
// In:  nothing.  Out: PlanFile, assertions.
// Not here: random graphs.
#pragma once

#include <gtest/gtest.h>

#include "runtime/plan_file/plan_file.h"

namespace octile::runtime::test {

// A convolution and a dequantize, both read from outside: runs.
[[nodiscard]] PlanFile runnable_plan();
// Kinds and fields that need not run together.
[[nodiscard]] PlanFile every_field_plan();

// Every field, floats by their bits.
void expect_same(const PlanFile& a, const PlanFile& b);

}  // namespace octile::runtime::test
