/* Runs a plan once on zeros and prints what came out: everything a program needs of octile.h.
 * In:  a .octplan file; octile-default.octpack beside the library.  Out: names and shapes, exit status 0; else a
 * message. Not here: threads, callbacks (docs/c-api.md). */
#include <octile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TENSORS 16

static const size_t kSizes[] = {1, 1, 4, 4, 8}; /* of OCTILE_U8, OCTILE_S8, OCTILE_S32, OCTILE_F32, OCTILE_S64 */

static int failed(const char* doing) {
  fprintf(stderr, "%s: %s\n", doing, octile_message());
  return 1;
}

/* An input of zeros; extents the model leaves open are 8. */
static int make_input(const octile_plan* plan, size_t index, octile_input* input) {
  octile_tensor_info info;
  int32_t i;
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  if (octile_plan_input(plan, index, &info) != OCTILE_OK) return failed("input");
  memset(input, 0, sizeof *input);
  input->shape.rank = info.rank < 0 ? 0 : (size_t)info.rank;
  input->bytes = kSizes[info.type];
  for (i = 0; i < info.rank; ++i) {
    input->shape.dims[i] = info.dims[i] < 0 ? 8 : info.dims[i];
    input->bytes *= (size_t)input->shape.dims[i];
  }
  input->data = calloc(input->bytes + 1, 1);
  return input->data == NULL;
}

static void print_output(const octile_plan* plan, size_t index, const octile_output* output) {
  octile_tensor_info info;
  size_t i;
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  if (octile_plan_output(plan, index, &info) != OCTILE_OK) return;
  printf("%s:", info.name);
  for (i = 0; i < output->shape.rank; ++i) printf(" %ld", (long)output->shape.dims[i]);
  printf(" (%lu bytes)\n", (unsigned long)output->bytes);
}

static int run(const octile_plan* plan) {
  octile_input inputs[MAX_TENSORS];
  octile_output outputs[MAX_TENSORS];
  size_t i, input_count = octile_plan_input_count(plan), output_count = octile_plan_output_count(plan);
  int status = 0;
  if (input_count > MAX_TENSORS || output_count > MAX_TENSORS) return 1;
  memset(inputs, 0, sizeof inputs);
  memset(outputs, 0, sizeof outputs); /* no buffers: the library allocates them */
  for (i = 0; status == 0 && i < input_count; ++i) status = make_input(plan, i, &inputs[i]);
  if (status == 0 && octile_plan_run(plan, inputs, input_count, outputs, output_count) != OCTILE_OK) {
    status = failed("run");
  }
  for (i = 0; status == 0 && i < output_count; ++i) {
    print_output(plan, i, &outputs[i]);
    octile_output_release(plan, &outputs[i]);
  }
  for (i = 0; i < input_count; ++i) free((void*)inputs[i].data);
  return status;
}

int main(int argc, char** argv) {
  octile_runtime* runtime = NULL;
  octile_plan* plan = NULL;
  int status;
  if (argc != 2) {
    fprintf(stderr, "usage: %s MODEL.octplan\n", argv[0]);
    return 2;
  }
  if (octile_runtime_create(NULL, &runtime) != OCTILE_OK) return failed("runtime");
  status = octile_plan_load_file(runtime, argv[1], &plan) == OCTILE_OK ? 0 : failed("load");
  octile_runtime_release(runtime); /* the plan keeps what it needs */
  if (status == 0) status = run(plan);
  octile_plan_release(plan);
  return status;
}
