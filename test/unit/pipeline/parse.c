/* SPDX-License-Identifier: Apache-2.0
 *
 * What a person can write, and what they are told when it does not make sense.
 */
#include "pipeline/pipeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static json_t *plan_of(const char *yaml, const char *params)
{
    CLEANUP(arena_freep) struct arena *a = arena_new(0);
    struct pipeline_spec *p = NULL;
    struct err err = {0};
    json_t *given = params ? json_loads(params, 0, NULL) : NULL;
    if (pipeline_parse(a, "p.yaml", str_from(yaml), given, &p, &err))
        fail_msg("%s (%s)", err.msg, err.hint);
    json_freep(&given);
    return pipeline_plan(p);
}

/* `part` must be in the message or the hint. */
static void refuses_with(const char *yaml, const char *params, const char *place, const char *part)
{
    CLEANUP(arena_freep) struct arena *a = arena_new(0);
    struct pipeline_spec *p = NULL;
    struct err err = {0};
    json_t *given = params ? json_loads(params, 0, NULL) : NULL;
    assert_int_equal(pipeline_parse(a, "p.yaml", str_from(yaml), given, &p, &err), E_INVALID);
    assert_null(p);
    json_freep(&given);
    if (strncmp(err.msg, place, strlen(place)) != 0)
        fail_msg("'%s' is not at %s", err.msg, place);
    if (!strstr(err.msg, part) && !strstr(err.hint, part))
        fail_msg("'%s' / '%s' does not say '%s'", err.msg, err.hint, part);
}

static void refuses(const char *steps, const char *place, const char *part)
{
    CLEANUP(freep) char *yaml = xasprintf("kind: pipeline\nname: p\nsteps:\n%s", steps);
    refuses_with(yaml, NULL, place, part);
}

static const json_t *step_of(const json_t *plan, size_t i)
{
    return json_array_get(json_object_get(plan, "steps"), i);
}

static void equals(const json_t *j, const char *key, const char *expected)
{
    json_t *want = json_loads(expected, JSON_DECODE_ANY, NULL);
    CLEANUP(freep) char *got = json_text(json_object_get(j, key));
    assert_non_null(want);
    if (!json_equal(want, json_object_get(j, key)))
        fail_msg("%s is %s, not %s", key, got, expected);
    json_freep(&want);
}

static const char flights[] =
    "kind: pipeline\n"
    "name: flights\n"
    "params: {rounds: 300, out: late}\n"
    "steps:\n"
    "  - {name: load, kind: ingest, path: ./data/flights.parquet, dataset: flights}\n"
    "  - name: features\n"
    "    kind: sql\n"
    "    inputs: {f: flights, w: weather@3, old: flights@latest}\n"
    "    file: features.sql\n"
    "    dataset: flight_features\n"
    "    timeout: 10m\n"
    "    memory: 2g\n"
    "    retries: {count: 2, delay: 5s}\n"
    "  - name: train\n"
    "    kind: train\n"
    "    input: flight_features\n"
    "    target: ${params.out}\n"
    "    where: month <= 5\n"
    "    exclude: dep_delay\n"
    "    params: {rounds: \"${params.rounds}\", eta: 0.1}\n"
    "  - {name: check, kind: evaluate, model: train, input: flight_features}\n"
    "  - {name: keep, kind: register, model: train, metrics: check, as: flights-late}\n"
    "  - {name: serve, kind: deploy, model: flights-late, endpoint: flights}\n"
    "  - name: report\n"
    "    kind: run\n"
    "    after: [check, serve]\n"
    "    command: [sh, -c, 'echo \"${HOME} $${params.x} ${params.out} of ${params.rounds}\"']\n"
    "    files: [a.py, ./a.py, b/c.py]\n";

static void the_whole_loop(void **state)
{
    (void)state;
    json_t *plan = plan_of(flights, NULL);
    equals(plan, "name", "\"flights\"");
    equals(step_of(plan, 0), "with", "{\"path\":\"data/flights.parquet\",\"dataset\":\"flights\"}");
    equals(step_of(plan, 1), "deps", "[0]");
    equals(step_of(plan, 1), "timeout_ms", "600000");
    equals(step_of(plan, 1), "memory_mb", "2048");
    equals(step_of(plan, 1), "retries", "{\"count\":2,\"delay_ms\":5000,\"factor\":2.0}");
    equals(step_of(plan, 1), "inputs",
           "[{\"alias\":\"f\",\"dataset\":\"flights\",\"version\":-1,\"makers\":[0],\"line\":8,"
           "\"column\":17},"
           "{\"alias\":\"w\",\"dataset\":\"weather\",\"version\":3,\"makers\":[],\"line\":8,"
           "\"column\":29},"
           "{\"alias\":\"old\",\"dataset\":\"flights\",\"version\":-1,\"makers\":[],\"line\":8,"
           "\"column\":45}]");
    equals(step_of(plan, 2), "with",
           "{\"input\":\"flight_features\",\"target\":\"late\",\"where\":\"month <= 5\","
           "\"exclude\":[\"dep_delay\"],\"params\":{\"rounds\":300,\"eta\":0.1}}");
    equals(step_of(plan, 3), "deps", "[1,2]");
    equals(step_of(plan, 3), "upstream", "[2]");
    equals(step_of(plan, 5), "deps", "[4]"); /* through the registered name */
    equals(step_of(plan, 6), "upstream", "[]");
    equals(step_of(plan, 6), "files", "[\"a.py\",\"a.py\",\"b/c.py\"]");
    equals(json_object_get(step_of(plan, 6), "with"), "command",
           "[\"sh\",\"-c\",\"echo \\\"${HOME} ${params.x} late of 300\\\"\"]");
    json_freep(&plan);
}

static void params_have_types(void **state)
{
    (void)state;
    json_t *plan = plan_of(flights, "{\"rounds\":\"50\",\"out\":7}");
    equals(json_object_get(step_of(plan, 2), "with"), "params", "{\"rounds\":50,\"eta\":0.1}");
    equals(json_object_get(step_of(plan, 2), "with"), "target", "\"7\"");
    equals(plan, "params", "{\"rounds\":50,\"out\":\"7\"}");
    json_freep(&plan);
    refuses_with(flights, "{\"rounds\":\"many\"}", "param 'rounds' must be an integer", "p.yaml:3");
    refuses_with(flights, "{\"roudns\":1}", "the pipeline has no param 'roudns'",
                 "did you mean 'rounds'?");
    refuses_with(flights, "{\"out\":[1]}", "param 'out' must be one value", "a");
}

static void files_once_each(void **state)
{
    (void)state;
    CLEANUP(arena_freep) struct arena *a = arena_new(0);
    struct pipeline_spec *p;
    const char *const *files;
    assert_int_equal(pipeline_parse(a, "p.yaml", str_from(flights), NULL, &p, NULL), 0);
    assert_string_equal(pipeline_name(p), "flights");
    assert_int_equal(pipeline_files(p, &files), 4);
    assert_string_equal(files[0], "data/flights.parquet");
    assert_string_equal(files[1], "features.sql");
    assert_string_equal(files[2], "a.py");
    assert_string_equal(files[3], "b/c.py");
}

static void documents_that_are_none(void **state)
{
    (void)state;
    refuses_with("", NULL, "p.yaml:1:1", "empty");
    refuses_with("- a\n", NULL, "p.yaml:1:1", "a list");
    refuses_with("kind: monitor\nname: x\nsteps: []\n", NULL, "p.yaml:1:7", "kind: pipeline");
    refuses_with("kind: pipeline\nsteps: []\n", NULL, "p.yaml:1:1", "no name");
    refuses_with("kind: pipeline\nname: p\n", NULL, "p.yaml:1:1", "no steps");
    refuses_with("kind: pipeline\nname: p\nsteps: []\n", NULL, "p.yaml:3:8", "empty list");
    refuses_with("kind: pipeline\nname: p\nstpes: []\n", NULL, "p.yaml:3:1", "steps");
    refuses_with("kind: pipeline\nname: p\nsteps:\n  - {name: a\n", NULL, "p.yaml:", "quotes");
    refuses_with("kind: pipeline\nname: p\nparams: {n: 1}\nsteps:\n"
                 "  - {name: a, kind: run, command: [echo, ${params.n}]}\n",
                 NULL, "p.yaml:5", "with quotes");
    refuses_with("kind: pipeline\nname: p\nparams: [1]\nsteps: []\n", NULL, "p.yaml:3:9", "a map");
    refuses_with("kind: pipeline\nname: p\nparams: {need: }\nsteps: []\n", NULL, "p.yaml:3:10",
                 "--param need=");
}

static void steps_that_make_no_sense(void **state)
{
    (void)state;
    refuses("  - 7\n", "p.yaml:4:5", "a step must be a map");
    refuses("  - {kind: run, command: x}\n", "p.yaml:4:5", "no name");
    refuses("  - {name: a b, kind: run, command: x}\n", "p.yaml:4:12", "a step's name");
    refuses("  - {name: a}\n", "p.yaml:4:5", "no kind");
    refuses("  - {name: a, kind: tarin}\n", "p.yaml:4:21", "did you mean 'train'?");
    refuses("  - {name: a, kind: run, comand: x}\n", "p.yaml:4:26", "did you mean 'command'?");
    refuses("  - {name: a, kind: run}\n", "p.yaml:4:5", "no 'command'");
    refuses("  - {name: a, kind: sql, dataset: d}\n", "p.yaml:4:5", "sql|file");
    refuses("  - {name: a, kind: sql, dataset: d, sql: x, file: y}\n", "p.yaml:4:5", "exactly one");
    refuses("  - {name: a, kind: run, command: x}\n  - {name: a, kind: run, command: y}\n",
            "p.yaml:5:12", "line 4");
    refuses("  - {name: a, kind: ingest, path: f, dataset: d, mode: apend}\n", "p.yaml:4:56",
            "did you mean 'append'?");
    refuses("  - {name: a, kind: train, input: d, target: t, params: {max_dept: 3}}\n",
            "p.yaml:4:58", "did you mean 'max_depth'?");
    refuses("  - {name: a, kind: run, command: x, timeout: soon}\n", "p.yaml:4:47", "90s");
    refuses("  - {name: a, kind: run, command: x, memory: 2}\n", "p.yaml:4:46", "512m");
    refuses("  - {name: a, kind: run, command: x, retries: -1}\n", "p.yaml:4:47", "0 to 100");
    refuses("  - {name: a, kind: run, command: x, retries: {cuont: 1}}\n", "p.yaml:4:48", "count");
    refuses("  - {name: a, kind: run, command: {x: y}}\n", "p.yaml:4:35", "a map");
    refuses("  - {name: a, kind: run, command: x, env: {A: [1]}}\n", "p.yaml:4:47", "a list");
    refuses("  - {name: a, kind: train, input: d, target: t, validation: big}\n", "p.yaml:4:61",
            "a number");
    refuses("  - {name: a, kind: run, command: 'x ${params.y}'}\n", "p.yaml:4:36", "no param 'y'");
}

static void files_outside_the_folder(void **state)
{
    (void)state;
    const char *const bad[] = {"../f", "/etc/passwd", "a/../../f", "a//b", "a/", ".", "''"};
    for (size_t i = 0; i < LENGTH(bad); i++) {
        CLEANUP(freep)
        char *steps = xasprintf("  - {name: a, kind: ingest, path: %s, dataset: d}\n", bad[i]);
        refuses(steps, i == 6 ? "p.yaml:4:36" : "p.yaml:4:35",
                "not a file in the pipeline's folder");
    }
}

static void references(void **state)
{
    (void)state;
    json_t *plan;
    refuses("  - {name: load, kind: ingest, path: f, dataset: d}\n"
            "  - {name: b, kind: run, command: x, after: laod}\n",
            "p.yaml:5:45", "did you mean 'load'?");
    refuses("  - {name: load, kind: ingest, path: f, dataset: d}\n"
            "  - {name: b, kind: evaluate, model: load, input: d}\n",
            "p.yaml:5:38", "kind ingest");
    refuses("  - {name: a, kind: ingest, path: f, dataset: d}\n"
            "  - {name: b, kind: ingest, path: g, dataset: d}\n",
            "p.yaml:5:47", "made by 'a' already (line 4)");
    plan = plan_of("kind: pipeline\nname: p\nsteps:\n"
                   "  - {name: t, kind: run, command: x, artifacts: {model: m.onnx}}\n"
                   "  - {name: e, kind: evaluate, model: t, input: d}\n"
                   "  - {name: r, kind: register, model: t.model, metrics: [e, t], as: m}\n",
                   NULL);
    equals(step_of(plan, 2), "deps", "[0,1]");
    equals(step_of(plan, 2), "with",
           "{\"model\":\"t.model\",\"metrics\":[\"e\",\"t\"],\"as\":\"m\"}");
    json_freep(&plan);
    refuses("  - {name: a, kind: run, command: x, outputs: [d]}\n", "p.yaml:4:47", "d");
    refuses("  - {name: a, kind: run, command: x, outputs: {d: ../d.csv}}\n", "p.yaml:4:51",
            "stay below");
    refuses("  - {name: a, kind: run, command: x, outputs: {d: [a]}}\n", "p.yaml:4:51", "path");
    refuses("  - {name: a, kind: run, command: x, artifacts: [/etc/passwd]}\n", "p.yaml:4:50",
            "step's folder");
    refuses("  - {name: a, kind: run, command: x, artifacts: report}\n", "p.yaml:4:49", "list");
    refuses("  - {name: a, kind: run, command: x, inputs: [d, d@3]}\n", "p.yaml:4:50", "alias");
    refuses("  - {name: a, kind: run, command: x, inputs: [d@new]}\n", "p.yaml:4:47", "d@latest");
    refuses("  - {name: a, kind: run, command: x, inputs: ['d d']}\n", "p.yaml:4:48", "dataset");
    plan = plan_of("kind: pipeline\nname: p\nsteps:\n"
                   "  - {name: a, kind: ingest, path: f, dataset: d, mode: append}\n"
                   "  - {name: b, kind: ingest, path: g, dataset: d, mode: append}\n"
                   "  - {name: c, kind: run, command: x, inputs: d, after: [a, a]}\n"
                   "  - {name: e, kind: deploy, model: elsewhere, version: 7, endpoint: e}\n",
                   NULL);
    equals(step_of(plan, 2), "deps", "[1,0]");
    equals(step_of(plan, 3), "deps", "[]");
    equals(step_of(plan, 3), "with",
           "{\"model\":\"elsewhere\",\"version\":\"7\",\"endpoint\":\"e\"}");
    json_freep(&plan);
}

static void cycles(void **state)
{
    (void)state;
    refuses("  - {name: a, kind: run, command: x, after: c}\n"
            "  - {name: b, kind: run, command: x, after: a}\n"
            "  - {name: c, kind: run, command: x, after: b}\n",
            "p.yaml:5:45", "a → c → b → a");
    refuses("  - {name: z, kind: run, command: x}\n"
            "  - {name: a, kind: sql, inputs: [d], sql: s, dataset: d}\n",
            "p.yaml:5:35", "a → a");
    refuses("  - {name: a, kind: sql, inputs: [d], sql: s, dataset: d}\n", "p.yaml:4:35",
            "NAME@latest");
}

/* Deep chains and wide fans must not take quadratic time or the C stack. */
static void large_pipelines(void **state)
{
    (void)state;
    enum { N = 8000 };
    struct buf yaml = BUF(4 << 20);
    buf_puts(&yaml, "kind: pipeline\nname: p\nsteps:\n- {name: s0, kind: run, command: x}\n");
    for (int i = 1; i < N; i++)
        buf_printf(&yaml, "- {name: s%d, kind: run, command: x, after: s%d}\n", i, i - 1);
    buf_puts(&yaml, "- {name: last, kind: run, command: x, after: [s0");
    for (int i = 1; i < N; i++)
        buf_printf(&yaml, ",s%d", i);
    buf_puts(&yaml, "]}\n");
    json_t *plan = plan_of(buf_cstr(&yaml), NULL);
    assert_int_equal(json_array_size(json_object_get(plan, "steps")), N + 1);
    assert_int_equal(json_array_size(json_object_get(step_of(plan, N), "deps")), N);
    json_freep(&plan);
    buf_free(&yaml);
}

static void help_names_every_kind(void **state)
{
    (void)state;
    struct buf b = BUF(65536);
    pipeline_describe(&b);
    const char *const kinds[] = {"ingest", "sql", "train", "evaluate", "register", "deploy", "run"};
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        CLEANUP(freep) char *line = xasprintf("kind: %s:", kinds[i]);
        assert_non_null(strstr(buf_cstr(&b), line));
    }
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_loop),
        cmocka_unit_test(params_have_types),
        cmocka_unit_test(files_once_each),
        cmocka_unit_test(documents_that_are_none),
        cmocka_unit_test(steps_that_make_no_sense),
        cmocka_unit_test(files_outside_the_folder),
        cmocka_unit_test(references),
        cmocka_unit_test(cycles),
        cmocka_unit_test(large_pipelines),
        cmocka_unit_test(help_names_every_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
