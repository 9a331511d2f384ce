/* SPDX-License-Identifier: Apache-2.0
 *
 * The lake and the steps without a server, for test/e2e/test_delta.py:
 *
 *   driver step DIR                                      step_main
 *   driver publish DIR                                   what the server does with its result.json
 *   driver snapshot DATA_DIR PROJECT NAME [VERSION]      data_snapshot as JSON
 */
#include "data/data.h"
#include "step/step.h"
#include "sys/fs.h"

#include <stdio.h>
#include <string.h>

static int fail(const struct err *err)
{
    fprintf(stderr, "error: %s\n", err->msg);
    if (err->hint[0])
        fprintf(stderr, "hint: %s\n", err->hint);
    return err_exit(err->code);
}

static json_t *read_json(const char *dir, const char *name)
{
    char *path = fs_join(dir, name);
    struct buf text = {0};
    struct err err;
    json_t *j = NULL;
    if (fs_read(path, 64 << 20, &text, &err) || json_parse(buf_view(&text), &j, &err))
        exit(fail(&err));
    buf_free(&text);
    free(path);
    return j;
}

static int publish(const char *dir)
{
    json_t *attempt = read_json(dir, "attempt.json"), *result = read_json(dir, "result.json"), *d;
    size_t i;
    int rc = 0;
    json_array_foreach (json_object_get(result, "datasets"), i, d) {
        int64_t version = -1;
        struct err err;
        if (data_publish(json_s(attempt, "data_dir"), json_s(attempt, "project"),
                         json_s(attempt, "attempt_id"), d, &version, &err))
            rc = fail(&err);
        else
            printf("%lld\n", (long long)version);
    }
    json_decref(attempt);
    json_decref(result);
    return rc;
}

static int snapshot(const char *data_dir, const char *project, const char *name, int64_t version)
{
    json_t *j = NULL;
    struct err err;
    if (data_snapshot(data_dir, project, name, version, &j, &err))
        return fail(&err);
    char *text = json_text(j);
    puts(text);
    free(text);
    json_decref(j);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "step"))
        return step_main(argv[2]);
    if (argc == 3 && !strcmp(argv[1], "publish"))
        return publish(argv[2]);
    if (argc >= 5 && !strcmp(argv[1], "snapshot"))
        return snapshot(argv[2], argv[3], argv[4], argc > 5 ? atoll(argv[5]) : -1);
    fprintf(stderr,
            "usage: driver step|publish DIR, driver snapshot DATA PROJECT NAME [VERSION]\n");
    return 2;
}
