/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of ONNX Runtime's binary interface that we call.
 *
 * OrtGetApiBase()->GetApi(version) yields a table of function pointers that only ever grows at its
 * end (onnxruntime_c_api.h: "all of these functions are appended"), so a slot's number is its name
 * for good. Debian 12 packages no header, and a packaged one would tie the binary to its version;
 * this table names the slots instead. The numbers are those of onnxruntime_c_api.h 1.21, counted
 * with offsetof; test/unit/infer calls every one of them. The newest slot here came with 1.16 and
 * we ask for the table of 1.17.
 *
 * Handles are opaque. A function that can fail returns a status, NULL for success.
 */
#ifndef TENON_INFER_ORT_ABI_H
#define TENON_INFER_ORT_ABI_H

#include <stddef.h>
#include <stdint.h>

enum { ORT_TABLE_VERSION = 17 };
#define ORT_OLDEST "1.17"

struct ort_status;
struct ort_env;
struct ort_options;
struct ort_session;
struct ort_value;
struct ort_memory;
struct ort_allocator;
struct ort_type;
struct ort_shape;

/* clang-format off: one slot, one entry */
/*    slot  returns              name                      parameters */
#define ORT_SLOTS(X)                                                                               \
    X(1, int, error_code, (const struct ort_status *))                                             \
    X(2, const char *, error_message, (const struct ort_status *))                                 \
    X(3, struct ort_status *, create_env, (int level, const char *id, struct ort_env **))          \
    X(6, struct ort_status *, disable_telemetry, (const struct ort_env *))                         \
    X(8, struct ort_status *, create_session,                                                      \
      (const struct ort_env *, const void *model, size_t n, const struct ort_options *,            \
       struct ort_session **))                                                                     \
    X(9, struct ort_status *, run,                                                                 \
      (struct ort_session *, const void *run_options, const char *const *names,                    \
       const struct ort_value *const *inputs, size_t n, const char *const *output_names,           \
       size_t output_n, struct ort_value **outputs))                                               \
    X(10, struct ort_status *, create_options, (struct ort_options **))                            \
    X(13, struct ort_status *, set_execution_mode, (struct ort_options *, int mode))               \
    X(17, struct ort_status *, disable_mem_pattern, (struct ort_options *))                        \
    X(19, struct ort_status *, disable_cpu_arena, (struct ort_options *))                          \
    X(22, struct ort_status *, set_log_severity, (struct ort_options *, int level))                \
    X(23, struct ort_status *, set_optimization, (struct ort_options *, int level))                \
    X(24, struct ort_status *, set_intra_threads, (struct ort_options *, int n))                   \
    X(25, struct ort_status *, set_inter_threads, (struct ort_options *, int n))                   \
    X(30, struct ort_status *, input_count, (const struct ort_session *, size_t *))                \
    X(31, struct ort_status *, output_count, (const struct ort_session *, size_t *))               \
    X(33, struct ort_status *, input_type,                                                         \
      (const struct ort_session *, size_t i, struct ort_type **))                                  \
    X(34, struct ort_status *, output_type,                                                        \
      (const struct ort_session *, size_t i, struct ort_type **))                                  \
    X(36, struct ort_status *, input_name,                                                         \
      (const struct ort_session *, size_t i, struct ort_allocator *, char **))                     \
    X(37, struct ort_status *, output_name,                                                        \
      (const struct ort_session *, size_t i, struct ort_allocator *, char **))                     \
    X(48, struct ort_status *, create_tensor,                                                      \
      (struct ort_allocator *, const int64_t *shape, size_t rank, int element,                     \
       struct ort_value **))                                                                       \
    X(49, struct ort_status *, wrap_tensor,                                                        \
      (const struct ort_memory *, void *data, size_t bytes, const int64_t *shape, size_t rank,     \
       int element, struct ort_value **))                                                          \
    X(51, struct ort_status *, tensor_data, (struct ort_value *, void **))                         \
    X(53, struct ort_status *, strings_length, (const struct ort_value *, size_t *))               \
    X(54, struct ort_status *, strings_content,                                                    \
      (const struct ort_value *, void *p, size_t n, size_t *offsets, size_t offset_count))         \
    X(55, struct ort_status *, as_tensor, (const struct ort_type *, const struct ort_shape **))    \
    X(56, struct ort_status *, type_kind, (const struct ort_type *, int *))                        \
    X(60, struct ort_status *, shape_element, (const struct ort_shape *, int *))                   \
    X(61, struct ort_status *, shape_rank, (const struct ort_shape *, size_t *))                   \
    X(62, struct ort_status *, shape_dims, (const struct ort_shape *, int64_t *, size_t n))        \
    X(63, struct ort_status *, shape_symbols, (const struct ort_shape *, const char **, size_t n)) \
    X(65, struct ort_status *, tensor_shape, (const struct ort_value *, struct ort_shape **))      \
    X(69, struct ort_status *, cpu_memory, (int allocator, int memory, struct ort_memory **))      \
    X(76, struct ort_status *, allocator_free, (struct ort_allocator *, void *))                   \
    X(78, struct ort_status *, default_allocator, (struct ort_allocator **))                       \
    X(92, void, release_env, (struct ort_env *))                                                   \
    X(93, void, release_status, (struct ort_status *))                                             \
    X(94, void, release_memory, (struct ort_memory *))                                             \
    X(95, void, release_session, (struct ort_session *))                                           \
    X(96, void, release_value, (struct ort_value *))                                               \
    X(98, void, release_type, (struct ort_type *))                                                 \
    X(99, void, release_shape, (struct ort_shape *))                                               \
    X(100, void, release_options, (struct ort_options *))                                          \
    X(130, struct ort_status *, add_config,                                                        \
      (struct ort_options *, const char *key, const char *value))                                  \
    X(252, struct ort_status *, resize_string,                                                     \
      (struct ort_value *, size_t i, size_t bytes, char **))
/* clang-format on */

struct ort_api {
#define X(slot, returns, name, parameters) returns(*name) parameters;
    ORT_SLOTS(X)
#undef X
};

/* What OrtGetApiBase() points to. */
struct ort_base {
    void *const *(*get_api)(uint32_t version);
    const char *(*get_version)(void);
};

/* ONNXTensorElementDataType */
enum {
    ORT_FLOAT = 1,
    ORT_UINT8 = 2,
    ORT_INT8 = 3,
    ORT_UINT16 = 4,
    ORT_INT16 = 5,
    ORT_INT32 = 6,
    ORT_INT64 = 7,
    ORT_STRING = 8,
    ORT_BOOL = 9,
    ORT_FLOAT16 = 10,
    ORT_DOUBLE = 11,
    ORT_UINT32 = 12,
    ORT_UINT64 = 13,
};

enum { ORT_LOG_FATAL = 4 };
enum { ORT_SEQUENTIAL = 0 };
enum { ORT_OPTIMIZE_ALL = 99 };
enum { ORT_DEVICE_ALLOCATOR = 0 };
enum { ORT_MEMORY_DEFAULT = 0 };
enum { ORT_TYPE_TENSOR = 1, ORT_TYPE_SEQUENCE = 2, ORT_TYPE_MAP = 3, ORT_TYPE_OPTIONAL = 6 };

#endif
