/* SPDX-License-Identifier: Apache-2.0
 *
 * XGBoost's saved model (JSON) as a forest of plain nodes.
 *
 * Source: doc/model.schema in XGBoost's repository. A tree is a set of parallel arrays; a leaf has
 * left child -1 and keeps its weight in split_conditions. Pruning leaves dead nodes behind, so we
 * walk from the root and renumber in preorder, which also puts a parent beside its left child in
 * the server's memory. default_left is 0/1 or a boolean, depending on the version.
 *
 * base_score is written in the space of the prediction, and as "5E-1" up to 3.0 but as an array
 * "[5E-1]" or "[1E-1,2E-1]" later; the forest holds it as margin, one per output.
 */
#include "train/train_int.h"

#include <math.h>
#include <string.h>

enum { DEPTH_MAX = 64, NODES_MAX = 8 << 20 };

struct arrays {
    const json_t *left, *right, *feature, *value, *missing_left;
    size_t n;
};

static int malformed(struct err *err, const char *what)
{
    return err_set(err, E_INTERNAL, "the model XGBoost saved has an unexpected %s", what);
}

static const json_t *path(const json_t *j, const char *const *keys)
{
    for (; j && *keys; keys++)
        j = json_object_get(j, *keys);
    return j;
}

static int arrays_of(const json_t *tree, struct arrays *ret, struct err *err)
{
    struct arrays a = {
        .left = json_object_get(tree, "left_children"),
        .right = json_object_get(tree, "right_children"),
        .feature = json_object_get(tree, "split_indices"),
        .value = json_object_get(tree, "split_conditions"),
        .missing_left = json_object_get(tree, "default_left"),
    };
    a.n = json_array_size(a.left);
    if (a.n == 0 || a.n != json_array_size(a.right) || a.n != json_array_size(a.feature) ||
        a.n != json_array_size(a.value) || a.n != json_array_size(a.missing_left))
        return malformed(err, "tree");
    if (json_array_size(json_object_get(tree, "categories_nodes")))
        return malformed(err, "categorical split");
    *ret = a;
    return 0;
}

static bool truth(const json_t *j)
{
    return json_is_true(j) || json_integer_value(j) != 0;
}

/* Copies the subtree at `at`; its nodes are numbered from the tree's root. */
static int copy_node(struct forest *f, struct tree *t, const struct arrays *a, json_int_t at,
                     unsigned depth, int32_t *ret, struct err *err)
{
    if (at < 0 || (size_t)at >= a->n || depth > DEPTH_MAX || t->n > a->n)
        return malformed(err, "tree");
    if (f->nodes.n >= NODES_MAX)
        return err_hint(err_set(err, E_TOOBIG, "the model has more than %d nodes", NODES_MAX), err,
                        "use fewer params.rounds or a smaller params.max_depth");
    json_int_t left = json_integer_value(json_array_get(a->left, (size_t)at));
    json_int_t right = json_integer_value(json_array_get(a->right, (size_t)at));
    size_t slot = f->nodes.n;
    *vec_push(&f->nodes) = (struct tree_node){
        .left = -1,
        .right = -1,
        .feature = (int32_t)json_integer_value(json_array_get(a->feature, (size_t)at)),
        .value = (float)json_number_value(json_array_get(a->value, (size_t)at)),
        .missing_left = truth(json_array_get(a->missing_left, (size_t)at)),
    };
    *ret = (int32_t)t->n++;
    if (left < 0)
        return 0;
    int32_t l, r;
    int rc = copy_node(f, t, a, left, depth + 1, &l, err);
    if (!rc)
        rc = copy_node(f, t, a, right, depth + 1, &r, err);
    if (rc)
        return rc;
    f->nodes.p[slot].left = l;
    f->nodes.p[slot].right = r;
    return 0;
}

static int read_trees(const json_t *model, struct forest *f, struct err *err)
{
    const json_t *trees = json_object_get(model, "trees");
    const json_t *info = json_object_get(model, "tree_info");
    size_t n = json_array_size(trees);
    if (n == 0 || json_array_size(info) != n)
        return malformed(err, "list of trees");
    for (size_t i = 0; i < n; i++) {
        struct arrays a;
        json_int_t output = json_integer_value(json_array_get(info, i));
        int rc = arrays_of(json_array_get(trees, i), &a, err);
        if (rc)
            return rc;
        if (output < 0 || (size_t)output >= f->outputs)
            return malformed(err, "tree_info");
        struct tree t = {.first = f->nodes.n, .output = (uint32_t)output};
        int32_t root;
        if ((rc = copy_node(f, &t, &a, 0, 0, &root, err)))
            return rc;
        *vec_push(&f->trees) = t;
    }
    return 0;
}

static double margin(double base, enum task task)
{
    return task == TASK_BINARY ? log(base / (1 - base)) : base;
}

static int read_base(const json_t *learner, enum task task, struct forest *f, struct err *err)
{
    static const char *const where[] = {"learner_model_param", "base_score", NULL};
    const json_t *j = path(learner, where);
    str text = str_n(json_string_value(j), json_string_length(j)), item;
    if (str_starts(text, S("[")) && str_ends(text, S("]")))
        text = str_n(text.p + 1, text.n - 2);
    f->base = xcalloc(f->outputs, sizeof(*f->base));
    for (size_t i = 0; i < f->outputs; i++) {
        double base;
        bool more = str_cut(text, ',', &item, &text);
        if (!str_f64(str_trim(item), &base) || !isfinite(margin(base, task)))
            return malformed(err, "base_score");
        f->base[i] = (float)margin(base, task);
        if (!more)
            text = item; /* one value stands for all outputs */
    }
    return 0;
}

int forest_read(str json, enum task task, size_t outputs, struct forest *ret, struct err *err)
{
    static const char *const model[] = {"gradient_booster", "model", NULL};
    CLEANUP(json_freep) json_t *root = NULL;
    json_error_t where;
    struct forest f = {.outputs = outputs};
    root = json_loadb(json.p, json.n, 0, &where);
    if (!root)
        return err_hint(err_set(err, E_INVALID,
                                "training diverged: the model holds values that "
                                "are not finite (%s)",
                                where.text),
                        err, "try a smaller params.eta, or look for extreme target values");
    const json_t *learner = json_object_get(root, "learner");
    int rc = read_base(learner, task, &f, err);
    if (!rc)
        rc = read_trees(path(learner, model), &f, err);
    if (rc) {
        forest_free(&f);
        return rc;
    }
    *ret = f;
    return 0;
}

void forest_free(struct forest *f)
{
    vec_free(&f->nodes);
    vec_free(&f->trees);
    free(f->base);
    f->base = NULL;
}
