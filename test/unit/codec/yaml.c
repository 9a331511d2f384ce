/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/yaml.h"

#include <string.h>

static int parse(struct arena *a, const char *text, struct ydoc *d, struct err *err)
{
    return yaml_parse(a, "p.yaml", str_from(text), d, err);
}

static void refuses(const char *text, const char *where, const char *part)
{
    CLEANUP(arena_freep) struct arena *a = arena_new(0);
    struct ydoc d = {0};
    struct err err = {0};
    int rc = parse(a, text, &d, &err);
    assert_int_not_equal(rc, 0);
    if (strncmp(err.msg, where, strlen(where)) != 0 || !strstr(err.msg, part))
        fail_msg("'%s' is not '%s … %s'", err.msg, where, part);
}

static void reads_the_core_schema_with_places(void **state)
{
    (void)state;
    CLEANUP(arena_freep) struct arena *a = arena_new(0);
    struct ydoc d;
    struct err err = {0};
    assert_int_equal(parse(a,
                           "name: flights\nn: 12\nx: 1.5\non: true\nquoted: '12'\nnone: ~\n"
                           "text: |\n  two\n  lines\nlist:\n  - {a: 1}\n  - b\n",
                           &d, &err),
                     0);
    assert_int_equal(d.root->kind, Y_MAP);
    assert_int_equal(yaml_get(d.root, "n")->kind, Y_INT);
    assert_int_equal(yaml_get(d.root, "n")->integer, 12);
    assert_int_equal(yaml_get(d.root, "n")->line, 2);
    assert_int_equal(yaml_get(d.root, "n")->column, 4);
    assert_true(yaml_get(d.root, "x")->number == 1.5);
    assert_true(yaml_get(d.root, "on")->boolean);
    assert_int_equal(yaml_get(d.root, "quoted")->kind, Y_STR);
    assert_int_equal(yaml_get(d.root, "none")->kind, Y_NULL);
    assert_true(str_is(yaml_get(d.root, "text")->text, "two\nlines\n"));
    const struct ynode *list = yaml_get(d.root, "list");
    assert_int_equal(list->n, 2);
    assert_int_equal(yaml_get(list->items[0], "a")->integer, 1);
    CLEANUP(json_freep) json_t *j = yaml_to_json(d.root);
    assert_int_equal(json_integer_value(json_object_get(j, "n")), 12);
    const char *known[] = {"name", "n", "x", "on", "quoted", "none", "test", "list", NULL};
    assert_int_equal(yaml_only(&d, d.root, known, &err), E_INVALID);
    assert_string_equal(err.msg, "p.yaml:7:1: unknown key 'text'");
    assert_string_equal(err.hint, "did you mean 'test'?");
}

static void refuses_what_does_not_make_sense(void **state)
{
    (void)state;
    refuses("a: [1, 2\nb: 3\n", "p.yaml:", "");
    refuses("a: 1\na: 2\n", "p.yaml:2:1: ", "given twice");
    refuses("a: !!python/object x\n", "p.yaml:1:", "tags");
    refuses("a: *b\n", "p.yaml:1:5: ", "no anchor '&b'");
    refuses("a: 1\n---\nb: 2\n", "p.yaml:2:1: ", "second document");
    refuses("[a]: 1\n", "p.yaml:1:1: ", "key must be a plain word");
    refuses("", "p.yaml:1:1: ", "empty");
    refuses("\n%  a:0f1\"un\x89", "p.yaml:2:1: ", "UTF-8"); /* libfyaml would not come back */
    refuses("%YAML 1.2\n---\na: 1\n", "p.yaml:1:1: ", "directives");
    refuses("\tx: 1\n", "p.yaml:1:", "");
}

static void laughs_are_bounded_and_depth_too(void **state)
{
    (void)state;
    refuses("a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
            "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
            "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n",
            "p.yaml:", "more than 100000 values");
    char deep[256];
    memset(deep, '[', sizeof(deep));
    deep[255] = 0;
    refuses(deep, "p.yaml:1:", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_core_schema_with_places),
        cmocka_unit_test(refuses_what_does_not_make_sense),
        cmocka_unit_test(laughs_are_bounded_and_depth_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
