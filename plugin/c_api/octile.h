/* octile.h: loads a plan (octile compile model.onnx -o model.octplan) and runs it, without ONNX Runtime.
 * In:  a plan file or its bytes, kernel packs, tensors in the caller's memory.  Out: tensors, or an error code and a
 * text. Not here: ONNX models (octile compile), tuning, threads: work is divided by the caller's parallel_for, else it
 * all runs in the calling thread.
 *
 * Standalone C, and C++. No function throws, aborts, prints, or changes the process beyond its arguments. Every
 * function may be called from any thread; one plan may run in several threads at once. Only *_release must be the last
 * call on its object. Functions that can fail return an int32_t: OCTILE_OK, or a code, and then octile_message() is the
 * text of the calling thread's last failure.
 *
 * Structs that may grow begin with struct_size, which the caller sets to sizeof of its own version: what a newer
 * library adds is then read as zero, what an older one does not know is refused unless zero. */
#ifndef OCTILE_H_
#define OCTILE_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define OCTILE_API __attribute__((visibility("default")))
#else
#define OCTILE_API
#endif

/* What octile_api_version() returns when header and library belong together. */
#define OCTILE_API_VERSION 1

/* Codes. */
#define OCTILE_OK 0
#define OCTILE_INVALID_ARGUMENT 1
#define OCTILE_NOT_FOUND 2
#define OCTILE_UNSUPPORTED 3
#define OCTILE_CORRUPT 4
#define OCTILE_IO_ERROR 5
#define OCTILE_OUT_OF_MEMORY 6
#define OCTILE_INTERNAL 7

/* Element types. */
#define OCTILE_U8 0
#define OCTILE_S8 1
#define OCTILE_S32 2
#define OCTILE_F32 3
#define OCTILE_S64 4

/* Log levels. */
#define OCTILE_LOG_INFO 0
#define OCTILE_LOG_WARNING 1

#define OCTILE_MAX_RANK 16

typedef struct octile_runtime octile_runtime; /* packs, target, callbacks; shared by plans */
typedef struct octile_plan octile_plan;       /* one loaded network */

/* Memory for tensors: those between the layers of a run, and outputs the caller gives no buffer for. What a plan holds
 * for good (packed weights, plans per shape) and the small lists of a call come from malloc. `allocate` returns null
 * when there is none; `alignment` is a power of two. Blocks are kept for the next run and released with the last plan
 * of the runtime. Called from any thread that runs a plan. */
typedef struct octile_allocator {
  void* context;
  void* (*allocate)(void* context, size_t bytes, size_t alignment);
  void (*release)(void* context, void* memory);
} octile_allocator;

/* What happened that is no failure: a pack without kernels for this CPU, for instance. */
typedef struct octile_logger {
  void* context;
  void (*log)(void* context, int32_t level, const char* text);
} octile_logger;

/* Runs task(argument, i) for every i < count, in any order and any threads, and returns when all are done. `threads` is
 * how many it is likely to use; 1 or a null function means the calling thread does everything. Runs call it, and
 * loading a plan of large weights does. */
typedef struct octile_threads {
  void* context;
  void (*parallel_for)(void* context, void (*task)(void* argument, size_t index), void* argument, size_t count);
  int32_t threads;
} octile_threads;

typedef struct octile_options {
  uint32_t struct_size;
  uint32_t pack_count;
  const char* const* packs; /* added to octile-default.octpack beside the library; the last one wins */
  const char* target;       /* highest instruction set to use, such as "avx2"; null: what this CPU has */
  octile_allocator allocator;
  octile_logger logger;
  octile_threads threads;
  const char* weights_cache; /* a folder where packed weights are kept as files, which the next process maps instead of
                                packing again; null: none. What cannot be read or written there is logged. */
} octile_options;

typedef struct octile_tensor_info {
  uint32_t struct_size;
  int32_t type;
  const char* name; /* lives as long as the plan */
  int32_t rank;     /* -1: unknown, and dims is null */
  uint32_t zero;
  const int64_t* dims; /* -1: any extent; lives as long as the plan */
} octile_tensor_info;

typedef struct octile_shape {
  size_t rank;
  int64_t dims[OCTILE_MAX_RANK];
} octile_shape;

/* Elements are dense and row-major (images NCHW), aligned to their own size. */
typedef struct octile_input {
  const void* data;
  size_t bytes; /* of data: elements times their size */
  octile_shape shape;
} octile_input;

typedef struct octile_output {
  void* data;         /* the caller's buffer; null: the library allocates it, for octile_output_release */
  size_t bytes;       /* in: size of the buffer; out: bytes written */
  octile_shape shape; /* out */
} octile_output;

/* The library: "0.1.0". */
OCTILE_API const char* octile_version(void);
OCTILE_API uint32_t octile_api_version(void);

/* Why the calling thread's last failed call failed; "" if none did. Valid until the thread's next failure. */
OCTILE_API const char* octile_message(void);

/* `options` may be null. A named pack that cannot be opened is an error; a missing default pack is logged, and the
 * portable kernels serve. */
OCTILE_API int32_t octile_runtime_create(const octile_options* options, octile_runtime** runtime);
/* Plans keep what they need of it: it may go before them, the callbacks may not. Null is allowed. */
OCTILE_API void octile_runtime_release(octile_runtime* runtime);

OCTILE_API int32_t octile_plan_load_file(octile_runtime* runtime, const char* path, octile_plan** plan);
/* The bytes are copied. */
OCTILE_API int32_t octile_plan_load_memory(octile_runtime* runtime, const void* data, size_t bytes, octile_plan** plan);
OCTILE_API void octile_plan_release(octile_plan* plan);

OCTILE_API size_t octile_plan_input_count(const octile_plan* plan);
OCTILE_API size_t octile_plan_output_count(const octile_plan* plan);
/* Zero *info and set its struct_size first. */
OCTILE_API int32_t octile_plan_input(const octile_plan* plan, size_t index, octile_tensor_info* info);
OCTILE_API int32_t octile_plan_output(const octile_plan* plan, size_t index, octile_tensor_info* info);

/* The shapes of all outputs for the shapes of all inputs. */
OCTILE_API int32_t octile_plan_infer(const octile_plan* plan, const octile_shape* inputs, size_t input_count,
                                     octile_shape* outputs, size_t output_count);
/* Plans for these input shapes now, so that the first run with them does not have to. */
OCTILE_API int32_t octile_plan_prepare(const octile_plan* plan, const octile_shape* inputs, size_t input_count);

/* Inputs and outputs in the plan's order, all of them. If an output's buffer is too small nothing is written to it and
 * the call fails with OCTILE_INVALID_ARGUMENT; its bytes and shape then say what is needed. */
OCTILE_API int32_t octile_plan_run(const octile_plan* plan, const octile_input* inputs, size_t input_count,
                                   octile_output* outputs, size_t output_count);
/* The same, asking for each output's memory when its shape is known; null ends the run with OCTILE_OUT_OF_MEMORY. */
OCTILE_API int32_t octile_plan_run_with(const octile_plan* plan, const octile_input* inputs, size_t input_count,
                                        void* (*output)(void* context, size_t index, const octile_shape* shape,
                                                        size_t bytes),
                                        void* context);
/* Gives back what octile_plan_run allocated for this output. */
OCTILE_API void octile_output_release(const octile_plan* plan, octile_output* output);

#ifdef __cplusplus
}
#endif

#endif
