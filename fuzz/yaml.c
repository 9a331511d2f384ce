/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/yaml.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 loses 2 KB when a quoted scalar is the last token before a syntax error; ours is
 * everything else. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(0);
    struct ydoc d;
    struct err err = {0};
    if (!yaml_parse(a, "f.yaml", str_n((const char *)data, size), &d, &err))
        json_decref(yaml_to_json(d.root));
    arena_free(a);
    return 0;
}
