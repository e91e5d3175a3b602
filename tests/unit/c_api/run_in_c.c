/* A caller in C: loads a plan, asks for shapes, and runs it in each of the three ways outputs can be had.
 * In/out: see run_in_c.h.
 * Not here: errors (test_c_api.cpp). */
#include "tests/unit/c_api/run_in_c.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TENSORS 16
#define WANT(condition)                \
  do {                                 \
    if (!(condition)) return __LINE__; \
  } while (0)

static int same(const octile_output* a, const octile_output* b) {
  size_t i;
  WANT(a->bytes == b->bytes && a->shape.rank == b->shape.rank);
  for (i = 0; i < a->shape.rank; ++i) WANT(a->shape.dims[i] == b->shape.dims[i]);
  WANT(a->bytes == 0 || memcmp(a->data, b->data, a->bytes) == 0);
  return 0;
}

/* Buffers of exactly the size inferred. */
static int run_into(const octile_plan* plan, const run_case* what, octile_output* got) {
  octile_shape in[MAX_TENSORS], out[MAX_TENSORS];
  size_t i;
  for (i = 0; i < what->input_count; ++i) in[i] = what->inputs[i].shape;
  WANT(octile_plan_infer(plan, in, what->input_count, out, what->output_count) == OCTILE_OK);
  WANT(octile_plan_prepare(plan, in, what->input_count) == OCTILE_OK);
  for (i = 0; i < what->output_count; ++i) {
    WANT(out[i].rank == what->expected[i].shape.rank);
    got[i].bytes = what->expected[i].bytes;
    got[i].data = malloc(got[i].bytes + 1);
    WANT(got[i].data != NULL);
    memset(got[i].data, 0xa5, got[i].bytes);
  }
  WANT(octile_plan_run(plan, what->inputs, what->input_count, got, what->output_count) == OCTILE_OK);
  return 0;
}

static int run_into_buffers(const octile_plan* plan, const run_case* what) {
  octile_output got[MAX_TENSORS];
  size_t i;
  int line;
  memset(got, 0, sizeof got);
  line = run_into(plan, what, got);
  for (i = 0; i < what->output_count; ++i) {
    if (line == 0) line = same(&got[i], &what->expected[i]);
    free(got[i].data);
  }
  return line;
}

static int run_allocated(const octile_plan* plan, const run_case* what) {
  octile_output got[MAX_TENSORS];
  size_t i;
  int line = 0;
  memset(got, 0, sizeof got);
  WANT(octile_plan_run(plan, what->inputs, what->input_count, got, what->output_count) == OCTILE_OK);
  for (i = 0; i < what->output_count; ++i) {
    if (line == 0) line = same(&got[i], &what->expected[i]);
    octile_output_release(plan, &got[i]);
    WANT(got[i].data == NULL);
  }
  return line;
}

static void* give_memory(void* context, size_t index, const octile_shape* shape, size_t bytes) {
  octile_output* out = (octile_output*)context + index;
  out->shape = *shape;
  out->bytes = bytes;
  out->data = malloc(bytes + 1);
  return out->data;
}

static int run_asked(const octile_plan* plan, const run_case* what) {
  octile_output got[MAX_TENSORS];
  size_t i;
  int line = 0;
  memset(got, 0, sizeof got);
  WANT(octile_plan_run_with(plan, what->inputs, what->input_count, give_memory, got) == OCTILE_OK);
  for (i = 0; i < what->output_count; ++i) {
    if (line == 0) line = same(&got[i], &what->expected[i]);
    free(got[i].data);
  }
  return line;
}

int run_in_c(octile_runtime* runtime, const run_case* what) {
  octile_plan* plan = NULL;
  int line;
  WANT(octile_api_version() == OCTILE_API_VERSION);
  WANT(what->input_count <= MAX_TENSORS && what->output_count <= MAX_TENSORS);
  WANT(octile_plan_load_memory(runtime, what->plan, what->plan_bytes, &plan) == OCTILE_OK);
  WANT(octile_plan_input_count(plan) == what->input_count);
  WANT(octile_plan_output_count(plan) == what->output_count);
  line = run_into_buffers(plan, what);
  if (line == 0) line = run_allocated(plan, what);
  if (line == 0) line = run_asked(plan, what);
  octile_plan_release(plan);
  return line;
}
