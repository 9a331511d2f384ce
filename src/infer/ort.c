/* SPDX-License-Identifier: Apache-2.0
 *
 * The library itself: found, opened, its table copied into struct ort_api. Blocking.
 */
#include "infer/infer_int.h"

#include "sys/dl.h"

#include <string.h>

/* ONNX Runtime's codes that are the caller's fault; the rest is a model or a library at fault. */
enum { ORT_FAIL_INVALID_ARGUMENT = 2, ORT_FAIL_NOT_IMPLEMENTED = 9 };

int ort_check(const struct ort *o, struct ort_status *status, struct err *err)
{
    if (!status)
        return 0;
    int code = o->api.error_code(status);
    enum errcode ours = code == ORT_FAIL_INVALID_ARGUMENT  ? E_INVALID
                        : code == ORT_FAIL_NOT_IMPLEMENTED ? E_UNSUPPORTED
                                                           : E_INTERNAL;
    err_set(err, ours, "ONNX Runtime: %s", o->api.error_message(status));
    o->api.release_status(status);
    return (int)ours;
}

static int read_table(struct ort *o, void *library, struct err *err)
{
    const struct ort_base *(*get_base)(void);
    int rc = dl_symbol(library, "OrtGetApiBase", &get_base, err);
    if (rc)
        return rc;
    const struct ort_base *base = get_base();
    o->version = xstrdup(base->get_version());
    void *const *table = base->get_api(ORT_TABLE_VERSION);
    if (!table)
        return err_set(err, E_UNAVAILABLE,
                       "ONNX Runtime %s in %s is too old: " ORT_OLDEST " or newer is needed",
                       o->version, o->path);
        /* A slot holds a function; memcpy because ISO C has no cast from an object pointer to one.
         */
#define X(slot, returns, name, parameters) memcpy(&o->api.name, &table[slot], sizeof(o->api.name));
    ORT_SLOTS(X)
#undef X
    return 0;
}

static int make_env(struct ort *o, struct err *err)
{
    /* Fatal only: every other failure reaches us as a status, and a client must not be able to
     * fill our log with ORT's lines. */
    int rc = ort_check(o, o->api.create_env(ORT_LOG_FATAL, "tenon", &o->env), err);
    if (!rc)
        rc = ort_check(o, o->api.disable_telemetry(o->env), err);
    if (!rc)
        rc = ort_check(o, o->api.cpu_memory(ORT_DEVICE_ALLOCATOR, ORT_MEMORY_DEFAULT, &o->memory),
                       err);
    if (!rc)
        rc = ort_check(o, o->api.default_allocator(&o->allocator), err);
    return rc;
}

int ort_open(struct ort **ret, struct err *err)
{
    static const char *const names[] = {"libonnxruntime.so", "libonnxruntime.so.1.21",
                                        "libonnxruntime.so.1", NULL};
    struct ort *o = xcalloc(1, sizeof(*o));
    void *library;
    int rc = dl_open("TENON_ORT", names, &library, &o->path, err);
    if (!rc)
        rc = read_table(o, library, err);
    if (!rc)
        rc = make_env(o, err);
    if (rc) {
        ort_close(o);
        return rc;
    }
    *ret = o;
    return 0;
}

void ort_close(struct ort *o)
{
    if (!o)
        return;
    if (o->memory)
        o->api.release_memory(o->memory);
    if (o->env)
        o->api.release_env(o->env);
    free(o->version);
    free(o->path);
    free(o);
}

const char *ort_version(const struct ort *o)
{
    return o->version;
}

const char *ort_path(const struct ort *o)
{
    return o->path;
}

/*        our type   name      bytes  ONNX element */
#define TYPES(X)                                                                                   \
    X(DT_BOOL, "BOOL", 1, ORT_BOOL)                                                                \
    X(DT_UINT8, "UINT8", 1, ORT_UINT8)                                                             \
    X(DT_UINT16, "UINT16", 2, ORT_UINT16)                                                          \
    X(DT_UINT32, "UINT32", 4, ORT_UINT32)                                                          \
    X(DT_UINT64, "UINT64", 8, ORT_UINT64)                                                          \
    X(DT_INT8, "INT8", 1, ORT_INT8)                                                                \
    X(DT_INT16, "INT16", 2, ORT_INT16)                                                             \
    X(DT_INT32, "INT32", 4, ORT_INT32)                                                             \
    X(DT_INT64, "INT64", 8, ORT_INT64)                                                             \
    X(DT_FP16, "FP16", 2, ORT_FLOAT16)                                                             \
    X(DT_FP32, "FP32", 4, ORT_FLOAT)                                                               \
    X(DT_FP64, "FP64", 8, ORT_DOUBLE)                                                              \
    X(DT_BYTES, "BYTES", sizeof(str), ORT_STRING)

static const struct {
    const char *name;
    size_t size;
    int element;
} types[] = {[DT_NONE] = {"NONE", 0, 0},
#define X(type, name, size, element) [type] = {name, size, element},
             TYPES(X)
#undef X
};

const char *datatype_name(enum datatype t)
{
    return types[t].name;
}

size_t datatype_size(enum datatype t)
{
    return types[t].size;
}

enum datatype datatype_from(str name)
{
    for (size_t i = DT_BOOL; i < LENGTH(types); i++)
        if (str_is(name, types[i].name))
            return (enum datatype)i;
    return DT_NONE;
}

int element_of(enum datatype t)
{
    return types[t].element;
}

enum datatype type_of(int element)
{
    for (size_t i = DT_BOOL; i < LENGTH(types); i++)
        if (types[i].element == element)
            return (enum datatype)i;
    return DT_NONE;
}
