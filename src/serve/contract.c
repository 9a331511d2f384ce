/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/contract.h"

#include <stdio.h>
#include <string.h>

static struct column *columns_of(const struct tensor_info *infos, size_t n, const char ***ret_names)
{
    struct column *cols = xcalloc(n, sizeof(*cols));
    const char **names = xcalloc(n, sizeof(*names));
    for (size_t i = 0; i < n; i++) {
        names[i] = xstrdup(infos[i].name);
        cols[i].name = str_from(names[i]);
        cols[i].type = infos[i].type;
        cols[i].rank = infos[i].rank;
        memcpy(cols[i].shape, infos[i].shape, sizeof(cols[i].shape));
        cols[i].width = 1;
        for (unsigned d = 1; d < cols[i].rank; d++)
            cols[i].width *= cols[i].shape[d] > 0 ? (size_t)cols[i].shape[d] : 1;
    }
    *ret_names = names;
    return cols;
}

static char *member_text(const char *name)
{
    struct buf b = BUF(1 << 16);
    json_quote(&b, str_from(name));
    buf_char(&b, ':');
    buf_char(&b, 0);
    return b.p;
}

/* What the registry knows beyond the graph. Unknown or absent parts change nothing. */
static void read_signature(struct contract *c, const json_t *signature)
{
    size_t i;
    json_t *item;
    json_array_foreach (json_object_get(signature, "inputs"), i, item) {
        size_t at = (size_t)map_get(c->column_index, str_from(json_s(item, "name")));
        if (!at)
            continue;
        c->columns[at - 1].optional = json_is_true(json_object_get(item, "optional"));
        c->columns[at - 1].boolean = !strcmp(json_s(item, "kind"), "boolean");
    }
    const char *target = json_s(signature, "target");
    if (target[0])
        c->target = xstrdup(target);
    json_t *classes = json_object_get(signature, "classes");
    c->classes = xcalloc(json_array_size(classes) + 1, sizeof(char *));
    json_array_foreach (classes, i, item) {
        CLEANUP(freep) char *text = json_is_string(item) ? NULL : json_text(item);
        c->classes[c->class_n++] = member_text(text ? text : json_string_value(item));
    }
}

struct contract *contract_new(const struct session *s, const json_t *signature,
                              const char *endpoint, int64_t version)
{
    const struct tensor_info *in, *out;
    struct contract *c = xcalloc(1, sizeof(*c));
    c->endpoint = xstrdup(endpoint);
    c->version = version;
    c->by_rows = session_by_rows(s);
    c->column_n = session_inputs(s, &in);
    c->output_n = session_outputs(s, &out);
    c->columns = columns_of(in, c->column_n, &c->column_names);
    c->outputs = columns_of(out, c->output_n, &c->output_names);
    c->column_index = map_new();
    for (size_t i = 0; i < c->column_n; i++)
        map_put(c->column_index, c->columns[i].name, (void *)(i + 1));
    read_signature(c, signature);
    c->signature = signature ? json_deep_copy(signature) : json_object();

    struct buf head = BUF(4096);
    buf_puts(&head, "{\"model_name\":");
    json_quote(&head, str_from(endpoint));
    buf_printf(&head, ",\"model_version\":\"%lld\"", (long long)version);
    c->head = head.p;
    c->head_n = head.n;
    return c;
}

static void free_names(const char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free((void *)names[i]);
    free(names);
}

void contract_free(struct contract *c)
{
    if (!c)
        return;
    free_names(c->column_names, c->column_n);
    free_names(c->output_names, c->output_n);
    free(c->columns);
    free(c->outputs);
    map_free(c->column_index, NULL);
    for (size_t i = 0; i < c->class_n; i++)
        free(c->classes[i]);
    free(c->classes);
    free(c->target);
    free(c->endpoint);
    free(c->head);
    json_decref(c->signature);
    free(c);
}

static void write_tensors(struct buf *b, const char *what, const struct column *cols, size_t n)
{
    buf_printf(b, ",\"%s\":[", what);
    for (size_t i = 0; i < n; i++) {
        buf_puts(b, i ? ",{\"name\":" : "{\"name\":");
        json_quote(b, cols[i].name);
        buf_printf(b, ",\"datatype\":\"%s\",\"shape\":[", datatype_name(cols[i].type));
        for (unsigned d = 0; d < cols[i].rank; d++)
            buf_printf(b, "%s%lld", d ? "," : "", (long long)cols[i].shape[d]);
        buf_puts(b, "]}");
    }
    buf_char(b, ']');
}

void contract_metadata(const struct contract *c, struct buf *out)
{
    buf_puts(out, "{\"name\":");
    json_quote(out, str_from(c->endpoint));
    buf_printf(out, ",\"versions\":[\"%lld\"],\"platform\":\"onnxruntime_onnx\"",
               (long long)c->version);
    write_tensors(out, "inputs", c->columns, c->column_n);
    write_tensors(out, "outputs", c->outputs, c->output_n);
    buf_char(out, '}');
}
