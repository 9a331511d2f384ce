/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a pipeline: an error or a plan, never more. A first line "#params {…}" gives params.
 */
#include "pipeline/pipeline.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_freep) struct arena *a = arena_new((size_t)256 << 20);
    CLEANUP(json_freep) json_t *params = NULL;
    str yaml = str_n((const char *)data, size), line, rest;
    if (str_starts(yaml, S("#params ")) && str_cut(yaml, '\n', &line, &rest))
        json_parse(str_skip(line, 8), &params, NULL);
    struct pipeline_spec *p = NULL;
    struct err err = {0};
    if (pipeline_parse(a, "fuzz.yaml", yaml, json_is_object(params) ? params : NULL, &p, &err)) {
        if (!err.code || !err.msg[0])
            __builtin_trap(); /* an error must say something */
        return 0;
    }
    CLEANUP(json_freep) json_t *plan = pipeline_plan(p);
    CLEANUP(freep) char *text = json_text(plan);
    const char *const *files;
    if (!plan || !text || !pipeline_name(p)[0])
        __builtin_trap();
    for (size_t i = pipeline_files(p, &files); i-- > 0;)
        if (strstr(files[i], "..") &&
            (strncmp(files[i], "../", 3) == 0 || strstr(files[i], "/../")))
            __builtin_trap(); /* a path that leaves the folder */
    return 0;
}
