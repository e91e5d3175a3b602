/* What the test asks of a caller written in C.
 * In:  a plan's bytes, inputs, the answers the oracle gave.  Out: a line number of run_in_c.c where something was
 * wrong. Not here: making any of these. */
#ifndef OCTILE_RUN_IN_C_H_
#define OCTILE_RUN_IN_C_H_

#include "plugin/c_api/octile.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct run_case {
  const void* plan;
  size_t plan_bytes;
  const octile_input* inputs;
  size_t input_count;
  const octile_output* expected; /* data, bytes and shape */
  size_t output_count;
} run_case;

/* 0: every way to get outputs gave the expected bytes. */
int run_in_c(octile_runtime* runtime, const run_case* what);

#ifdef __cplusplus
}
#endif

#endif
