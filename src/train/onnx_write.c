/* SPDX-License-Identifier: Apache-2.0
 *
 * The model as an ONNX file: one input per raw column, categories encoded in the graph, one node
 * for all trees.
 *
 *   FP32 column  ─────────────────────────┐
 *   BYTES column ── LabelEncoder ─────────┤ Concat ── TreeEnsembleClassifier ── label, probability
 *                                                  or TreeEnsembleRegressor  ── prediction
 *
 * The graph is run for one row at a time by a server, so nodes are counted: the classifier does
 * sigmoid or softmax and names the class itself, which five more nodes would have to do behind a
 * regressor. Operators: ai.onnx 15, ai.onnx.ml 3 (LabelEncoder 2, TreeEnsemble* 3), IR 8: what ONNX
 * Runtime reads since 1.10.
 *
 * A binary classifier gives one score. ONNX Runtime takes the score for a probability, not a
 * margin, if no leaf is negative; shift() makes sure that one is.
 */
#include "train/train_int.h"

#include "onnx.pb-c.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { IR_VERSION = 8, OPSET = 15, OPSET_ML = 3, NAME_MAX_BYTES = 256 };

static void *new_message(struct arena *a, const ProtobufCMessageDescriptor *kind)
{
    void *message = arena_alloc(a, kind->sizeof_message);
    protobuf_c_message_init(kind, message);
    return message;
}

#define NEW(a, type) new_message(a, &onnx__##type##__descriptor)

/* Protobuf's repeated messages are arrays of pointers with a count; room is reserved by `most`. */
#define APPEND(array, count, value) ((array)[(count)++] = (value))

static char *copy(struct arena *a, const char *s)
{
    return arena_cstr(a, str_from(s));
}

static ProtobufCBinaryData bytes(str s)
{
    return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

enum { NODE_INPUTS_MAX = TRAIN_FEATURES_MAX, ATTRIBUTES_MAX = 20 };

static Onnx__NodeProto *node(struct arena *a, const char *op, const char *domain, const char *name,
                             size_t inputs, size_t outputs)
{
    Onnx__NodeProto *n = NEW(a, node_proto);
    n->op_type = copy(a, op);
    n->domain = copy(a, domain);
    n->name = copy(a, name);
    n->input = arena_alloc(a, inputs * sizeof(*n->input));
    n->output = arena_alloc(a, outputs * sizeof(*n->output));
    n->attribute = arena_alloc(a, ATTRIBUTES_MAX * sizeof(Onnx__AttributeProto *));
    return n;
}

static Onnx__AttributeProto *attribute(struct arena *a, Onnx__NodeProto *n, const char *name,
                                       Onnx__AttributeProto__AttributeType type)
{
    Onnx__AttributeProto *p = NEW(a, attribute_proto);
    p->name = copy(a, name);
    p->has_type = true;
    p->type = type;
    APPEND(n->attribute, n->n_attribute, p);
    return p;
}

static void attr_int(struct arena *a, Onnx__NodeProto *n, const char *name, int64_t v)
{
    Onnx__AttributeProto *p = attribute(a, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    p->has_i = true;
    p->i = v;
}

static void attr_float(struct arena *a, Onnx__NodeProto *n, const char *name, float v)
{
    Onnx__AttributeProto *p = attribute(a, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    p->has_f = true;
    p->f = v;
}

static void attr_text(struct arena *a, Onnx__NodeProto *n, const char *name, const char *v)
{
    Onnx__AttributeProto *p = attribute(a, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    p->has_s = true;
    p->s = bytes(str_from(copy(a, v)));
}

static int64_t *attr_ints(struct arena *a, Onnx__NodeProto *n, const char *name, size_t count)
{
    Onnx__AttributeProto *p = attribute(a, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    p->n_ints = count;
    return p->ints = arena_alloc(a, MAX(count, 1) * sizeof(*p->ints));
}

static float *attr_floats(struct arena *a, Onnx__NodeProto *n, const char *name, size_t count)
{
    Onnx__AttributeProto *p = attribute(a, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS);
    p->n_floats = count;
    return p->floats = arena_alloc(a, MAX(count, 1) * sizeof(*p->floats));
}

static ProtobufCBinaryData *attr_texts(struct arena *a, Onnx__NodeProto *n, const char *name,
                                       size_t count)
{
    Onnx__AttributeProto *p = attribute(a, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS);
    p->n_strings = count;
    return p->strings = arena_alloc(a, MAX(count, 1) * sizeof(*p->strings));
}

/* A tensor of the graph's door: rows are free, columns = 0 means rank 1. */
static Onnx__ValueInfoProto *value_info(struct arena *a, const char *name, int32_t type,
                                        size_t columns)
{
    Onnx__ValueInfoProto *v = NEW(a, value_info_proto);
    v->name = copy(a, name);
    v->type = NEW(a, type_proto);
    v->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    v->type->tensor_type = NEW(a, type_proto__tensor);
    v->type->tensor_type->has_elem_type = true;
    v->type->tensor_type->elem_type = type;
    Onnx__TensorShapeProto *shape = NEW(a, tensor_shape_proto);
    v->type->tensor_type->shape = shape;
    shape->dim = arena_alloc(a, 2 * sizeof(Onnx__TensorShapeProto__Dimension *));
    Onnx__TensorShapeProto__Dimension *rows = NEW(a, tensor_shape_proto__dimension);
    rows->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
    rows->dim_param = copy(a, "rows");
    APPEND(shape->dim, shape->n_dim, rows);
    if (columns) {
        Onnx__TensorShapeProto__Dimension *d = NEW(a, tensor_shape_proto__dimension);
        d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        d->dim_value = (int64_t)columns;
        APPEND(shape->dim, shape->n_dim, d);
    }
    return v;
}

static Onnx__NodeProto *label_encoder(struct arena *a, const struct feature *f, const char *output)
{
    char *name = arena_printf(a, "encode %s", f->name);
    Onnx__NodeProto *n = node(a, "LabelEncoder", "ai.onnx.ml", name, 1, 1);
    APPEND(n->input, n->n_input, copy(a, f->name));
    APPEND(n->output, n->n_output, copy(a, output));
    /* An encoder must have a key; a column without categories gets one nobody sends. */
    size_t count = MAX(f->n, 1);
    ProtobufCBinaryData *keys = attr_texts(a, n, "keys_strings", count);
    float *values = attr_floats(a, n, "values_floats", count);
    keys[0] = bytes(S(""));
    values[0] = NAN;
    for (size_t i = 0; i < f->n; i++) {
        keys[i] = bytes(f->categories[i]);
        values[i] = (float)i;
    }
    attr_float(a, n, "default_float", NAN);
    return n;
}

struct tree_arrays {
    int64_t *tree, *node, *feature, *yes, *no, *missing;
    float *value;
    ProtobufCBinaryData *mode;
    int64_t *leaf_tree, *leaf_node, *leaf_output;
    float *leaf_weight;
    size_t leaves;
};

static void fill_node(struct tree_arrays *x, size_t at, size_t tree, size_t in_tree,
                      const struct tree_node *n, uint32_t output, float moved)
{
    bool leaf = n->left < 0;
    x->tree[at] = (int64_t)tree;
    x->node[at] = (int64_t)in_tree;
    x->feature[at] = leaf ? 0 : n->feature;
    x->value[at] = leaf ? 0 : n->value;
    x->mode[at] = leaf ? bytes(S("LEAF")) : bytes(S("BRANCH_LT"));
    x->yes[at] = leaf ? 0 : n->left;
    x->no[at] = leaf ? 0 : n->right;
    x->missing[at] = !leaf && n->missing_left;
    if (!leaf)
        return;
    x->leaf_tree[x->leaves] = (int64_t)tree;
    x->leaf_node[x->leaves] = (int64_t)in_tree;
    x->leaf_output[x->leaves] = output;
    x->leaf_weight[x->leaves++] = n->value - moved;
}

/* What to take from each leaf of the first tree and give to the base, so that a binary model has a
 * negative leaf (see the top). 0 where there is one already. */
static float shift(const struct forest *f)
{
    float most = 0;
    for (size_t i = 0; i < f->nodes.n; i++) {
        if (f->nodes.p[i].left < 0 && f->nodes.p[i].value < 0)
            return 0;
    }
    for (size_t i = 0; i < f->trees.p[0].n; i++) {
        if (f->nodes.p[i].left < 0)
            most = MAX(most, f->nodes.p[i].value);
    }
    return most + 1;
}

static void trees(struct arena *a, Onnx__NodeProto *n, const struct onnx_spec *s)
{
    const struct forest *f = s->forest;
    bool regression = s->task == TASK_REGRESSION;
    const char *prefix = regression ? "target" : "class";
    size_t leaves = 0;
    for (size_t i = 0; i < f->nodes.n; i++)
        leaves += f->nodes.p[i].left < 0;
#define NAMED(part) arena_printf(a, "%s_" part, prefix)
    struct tree_arrays x = {
        .tree = attr_ints(a, n, "nodes_treeids", f->nodes.n),
        .node = attr_ints(a, n, "nodes_nodeids", f->nodes.n),
        .feature = attr_ints(a, n, "nodes_featureids", f->nodes.n),
        .yes = attr_ints(a, n, "nodes_truenodeids", f->nodes.n),
        .no = attr_ints(a, n, "nodes_falsenodeids", f->nodes.n),
        .missing = attr_ints(a, n, "nodes_missing_value_tracks_true", f->nodes.n),
        .value = attr_floats(a, n, "nodes_values", f->nodes.n),
        .mode = attr_texts(a, n, "nodes_modes", f->nodes.n),
        .leaf_tree = attr_ints(a, n, NAMED("treeids"), leaves),
        .leaf_node = attr_ints(a, n, NAMED("nodeids"), leaves),
        .leaf_output = attr_ints(a, n, NAMED("ids"), leaves),
        .leaf_weight = attr_floats(a, n, NAMED("weights"), leaves),
    };
#undef NAMED
    float moved = s->task == TASK_BINARY ? shift(f) : 0;
    size_t at = 0;
    for (size_t t = 0; t < f->trees.n; t++) {
        const struct tree *tree = &f->trees.p[t];
        for (size_t i = 0; i < tree->n; i++)
            fill_node(&x, at++, t, i, &f->nodes.p[tree->first + i], tree->output,
                      t == 0 ? moved : 0);
    }
    float *base = attr_floats(a, n, "base_values", f->outputs);
    for (size_t i = 0; i < f->outputs; i++)
        base[i] = f->base[i] + moved;
}

static Onnx__NodeProto *ensemble(struct arena *a, const struct onnx_spec *s, const char *input)
{
    static const char *const transform[] = {"LOGISTIC", "SOFTMAX", "NONE"};
    bool regression = s->task == TASK_REGRESSION;
    Onnx__NodeProto *n = node(a, regression ? "TreeEnsembleRegressor" : "TreeEnsembleClassifier",
                              "ai.onnx.ml", "trees", 1, 2);
    APPEND(n->input, n->n_input, copy(a, input));
    if (regression) {
        APPEND(n->output, n->n_output, copy(a, "prediction"));
        attr_int(a, n, "n_targets", 1);
    } else {
        APPEND(n->output, n->n_output, copy(a, "label"));
        APPEND(n->output, n->n_output, copy(a, "probability"));
        ProtobufCBinaryData *labels = attr_texts(a, n, "classlabels_strings", s->n_classes);
        for (size_t i = 0; i < s->n_classes; i++)
            labels[i] = bytes(s->classes[i]);
    }
    attr_text(a, n, "post_transform", transform[s->task]);
    trees(a, n, s);
    return n;
}

/* Column names become tensor names, which are one space with the outputs' and ours. */
static int check_names(const struct onnx_spec *s, struct err *err)
{
    static const char *const taken[] = {"label", "probability", "prediction"};
    for (size_t i = 0; i < s->features->n; i++) {
        str name = str_from(s->features->p[i].name);
        if (name.n == 0 || name.n > NAME_MAX_BYTES || !str_is_utf8(name) ||
            str_starts(name, S("tenon:")))
            return err_set(err, E_INVALID,
                           "column '%.*s' has a name that a model's input cannot "
                           "have",
                           STR(name));
        for (size_t k = 0; k < LENGTH(taken); k++) {
            if (str_is(name, taken[k]))
                return err_hint(err_set(err, E_INVALID,
                                        "column '%s' has the name of an output of "
                                        "the model",
                                        taken[k]),
                                err, "rename it in SQL, or exclude: [%s]", taken[k]);
        }
    }
    return 0;
}

static void add_inputs(struct arena *a, const struct onnx_spec *s, Onnx__GraphProto *g)
{
    size_t n = s->features->n;
    Onnx__NodeProto *concat = node(a, "Concat", "", "columns", n, 1);
    attr_int(a, concat, "axis", 1);
    APPEND(concat->output, concat->n_output, copy(a, "tenon:columns"));
    for (size_t i = 0; i < n; i++) {
        const struct feature *f = &s->features->p[i];
        bool category = f->kind == COLUMN_CATEGORY;
        char *encoded = category ? arena_printf(a, "tenon:code:%s", f->name) : copy(a, f->name);
        int32_t type =
            category ? ONNX__TENSOR_PROTO__DATA_TYPE__STRING : ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
        APPEND(g->input, g->n_input, value_info(a, f->name, type, 1));
        APPEND(concat->input, concat->n_input, encoded);
        if (category)
            APPEND(g->node, g->n_node, label_encoder(a, f, encoded));
    }
    APPEND(g->node, g->n_node, concat);
}

static Onnx__GraphProto *graph(struct arena *a, const struct onnx_spec *s)
{
    Onnx__GraphProto *g = NEW(a, graph_proto);
    size_t n = s->features->n;
    g->name = copy(a, "tenon");
    g->node = arena_alloc(a, (n + 2) * sizeof(Onnx__NodeProto *));
    g->input = arena_alloc(a, n * sizeof(Onnx__ValueInfoProto *));
    g->output = arena_alloc(a, 2 * sizeof(Onnx__ValueInfoProto *));
    add_inputs(a, s, g);
    APPEND(g->node, g->n_node, ensemble(a, s, "tenon:columns"));
    if (s->task == TASK_REGRESSION) {
        APPEND(g->output, g->n_output,
               value_info(a, "prediction", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 1));
        return g;
    }
    APPEND(g->output, g->n_output,
           value_info(a, "label", ONNX__TENSOR_PROTO__DATA_TYPE__STRING, 0));
    APPEND(g->output, g->n_output,
           value_info(a, "probability", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, s->n_classes));
    return g;
}

static Onnx__OperatorSetIdProto *opset(struct arena *a, const char *domain, int64_t version)
{
    Onnx__OperatorSetIdProto *o = NEW(a, operator_set_id_proto);
    o->domain = copy(a, domain);
    o->has_version = true;
    o->version = version;
    return o;
}

static Onnx__ModelProto *model(struct arena *a, const struct onnx_spec *s)
{
    Onnx__ModelProto *m = NEW(a, model_proto);
    m->has_ir_version = true;
    m->ir_version = IR_VERSION;
    m->producer_name = copy(a, "tenon");
    m->producer_version = copy(a, TENON_VERSION);
    m->doc_string = s->description ? copy(a, s->description) : NULL;
    m->opset_import = arena_alloc(a, 2 * sizeof(Onnx__OperatorSetIdProto *));
    APPEND(m->opset_import, m->n_opset_import, opset(a, "", OPSET));
    APPEND(m->opset_import, m->n_opset_import, opset(a, "ai.onnx.ml", OPSET_ML));
    m->metadata_props =
        arena_alloc(a, MAX(s->n_metadata, 1) * sizeof(Onnx__StringStringEntryProto *));
    for (size_t i = 0; i < s->n_metadata; i++) {
        Onnx__StringStringEntryProto *e = NEW(a, string_string_entry_proto);
        e->key = copy(a, s->metadata[i][0]);
        e->value = copy(a, s->metadata[i][1]);
        APPEND(m->metadata_props, m->n_metadata_props, e);
    }
    m->graph = graph(a, s);
    return m;
}

int onnx_write(const struct onnx_spec *spec, struct buf *ret, struct err *err)
{
    int rc = check_names(spec, err);
    if (rc)
        return rc;
    struct arena *a = arena_new((size_t)4 << 30);
    Onnx__ModelProto *m = model(a, spec);
    size_t n = onnx__model_proto__get_packed_size(m);
    if (buf_reserve(ret, n))
        ret->n += onnx__model_proto__pack(m, (uint8_t *)ret->p + ret->n);
    else
        rc = err_hint(err_set(err, E_TOOBIG, "the ONNX file would have %zu MB, more than %zu",
                              n >> 20, ret->max >> 20),
                      err, "use fewer params.rounds or a smaller params.max_depth");
    arena_free(a);
    return rc;
}
