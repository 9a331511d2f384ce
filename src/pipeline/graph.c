/* SPDX-License-Identifier: Apache-2.0
 *
 * From names to edges: who makes which dataset, which step a name means, and whether the whole can
 * be run in some order. Steps are found through maps, and cycles by one depth-first walk with its
 * own stack, so a pipeline of tens of thousands of steps is checked in a blink.
 */
#include "pipeline/spec_int.h"

#include "base/vec.h"

#include <stdio.h>
#include <string.h>

struct maker { /* of a dataset or a model; a list in the arena */
    struct maker *next;
    uint32_t step;
    const struct ynode *at;
};

struct linker {
    struct pipeline_spec *p;
    struct map *steps;    /* name → position + 1 */
    struct map *datasets; /* name → struct maker */
    struct map *models;   /* name → struct maker */
    uint32_t *seen;       /* step → 1 + the step whose edges were last collected */
    VEC(struct spec_edge) edges;
    size_t links; /* of all steps, bounded: readers times makers can be many */
};

#define LINKS_MAX 1000000

static void *as_pointer(uint32_t i)
{
    return (void *)((uintptr_t)i + 1);
}

static bool position(const struct linker *l, const char *name, uint32_t *ret)
{
    void *found = map_get(l->steps, str_from(name));
    if (found)
        *ret = (uint32_t)((uintptr_t)found - 1);
    return found != NULL;
}

/* --- who makes what --- */

static void add_maker(struct linker *l, struct map *m, const struct spec_name *made, uint32_t step)
{
    struct maker *new = arena_alloc(l->p->arena, sizeof(*new));
    *new = (struct maker){.step = step, .at = made->at, .next = map_get(m, str_from(made->name))};
    map_put(m, str_from(made->name), new);
}

static int index_step(struct linker *l, uint32_t i, struct err *err)
{
    struct spec_step *s = &l->p->steps[i];
    uint32_t first;
    if (position(l, s->name, &first))
        return yaml_err(err, &l->p->doc, yaml_get(s->node, "name"),
                        "two steps are called '%s' (the first in line %u)", s->name,
                        l->p->steps[first].node->line);
    map_put(l->steps, str_from(s->name), as_pointer(i));
    for (struct spec_name *d = s->makes; d; d = d->next) {
        struct maker *other = map_get(l->datasets, str_from(d->name));
        if (other && !(s->append && l->p->steps[other->step].append))
            return err_hint(yaml_err(err, &l->p->doc, d->at,
                                     "the dataset '%s' is made by '%s' already (line %u)", d->name,
                                     l->p->steps[other->step].name, other->at->line),
                            err, "use another name, or mode: append in all of them");
        add_maker(l, l->datasets, d, i);
    }
    for (struct spec_name *m = s->registers; m; m = m->next)
        add_maker(l, l->models, m, i);
    return 0;
}

/* --- edges --- */

static void add_edge(struct linker *l, uint32_t from, uint32_t on, const struct ynode *at)
{
    if (l->seen[on] == from + 1)
        return;
    l->seen[on] = from + 1;
    *vec_push(&l->edges) = (struct spec_edge){on, at};
}

static int link_input(struct linker *l, uint32_t i, struct spec_input *in, struct err *err)
{
    struct maker *makers =
        in->version == VERSION_MADE ? map_get(l->datasets, str_from(in->dataset)) : NULL;
    for (struct maker *m = makers; m; m = m->next)
        in->maker_count++;
    l->links += in->maker_count;
    if (l->links > LINKS_MAX)
        return yaml_err(err, &l->p->doc, in->at, "the pipeline has more than %d edges", LINKS_MAX);
    in->makers = arena_alloc(l->p->arena, MAX(in->maker_count, 1) * sizeof(*in->makers));
    uint32_t n = 0;
    for (struct maker *m = makers; m; m = m->next) {
        in->makers[n++] = m->step;
        add_edge(l, i, m->step, in->at);
    }
    return 0;
}

static int no_such_step(const struct linker *l, const struct spec_mention *m, struct err *err)
{
    VEC(const char *) names = {0};
    for (uint32_t i = 0; i < l->p->step_count; i++)
        *vec_push(&names) = l->p->steps[i].name;
    const char *near = str_nearest(str_from(m->name), names.p, names.n);
    vec_free(&names);
    int rc = yaml_err(err, &l->p->doc, m->at, "%s: there is no step '%s'", m->key->name, m->name);
    return near ? err_hint(rc, err, "did you mean '%s'?", near) : rc;
}

/* A step's own name, or STEP.ARTIFACT where a step's result is meant; names may hold dots. */
static bool find_mentioned(const struct linker *l, const struct spec_mention *m, uint32_t *ret)
{
    if (position(l, m->name, ret))
        return true;
    const char *dot = m->key->role == ROLE_STEP ? strrchr(m->name, '.') : NULL;
    return dot &&
           position(l, arena_cstr(l->p->arena, str_n(m->name, (size_t)(dot - m->name))), ret);
}

static int link_mention(struct linker *l, uint32_t i, struct spec_mention *m, struct err *err)
{
    uint32_t on;
    if (find_mentioned(l, m, &on)) {
        const struct spec_step *s = &l->p->steps[on];
        if (m->key->choices && !choice_has(m->key->choices, str_from(s->kind->name)))
            return err_hint(yaml_err(err, &l->p->doc, m->at, "%s: '%s' is a step of kind %s",
                                     m->key->name, m->name, s->kind->name),
                            err, "%s: %s", m->key->name, m->key->help);
        m->step = on;
        add_edge(l, i, on, m->at);
        return 0;
    }
    if (m->key->role != ROLE_MODEL)
        return no_such_step(l, m, err);
    for (struct maker *made = map_get(l->models, str_from(m->name)); made; made = made->next) {
        m->step = made->step;
        add_edge(l, i, made->step, m->at);
    }
    return 0;
}

static int link_step(struct linker *l, uint32_t i, struct err *err)
{
    struct spec_step *s = &l->p->steps[i];
    l->edges.n = 0;
    int rc = 0;
    for (struct spec_input *in = s->inputs; !rc && in; in = in->next)
        rc = link_input(l, i, in, err);
    for (struct spec_mention *m = s->mentions; !rc && m; m = m->next)
        rc = link_mention(l, i, m, err);
    s->edge_count = (uint32_t)l->edges.n;
    s->edges = arena_alloc(l->p->arena, MAX(l->edges.n, 1) * sizeof(*s->edges));
    if (l->edges.n)
        memcpy(s->edges, l->edges.p, l->edges.n * sizeof(*s->edges));
    return rc;
}

/* --- cycles --- */

enum colour { WHITE, GREY, BLACK };

struct walk {
    uint32_t *path, *next; /* the steps on the way, and the next edge of each */
    uint8_t *colours;
    uint32_t depth;
};

static int report_cycle(const struct pipeline_spec *p, const struct walk *w,
                        const struct spec_edge *back, struct err *err)
{
    struct buf line = BUF(640); /* a very long circle is cut, not refused */
    uint32_t from = 0;
    while (w->path[from] != back->on)
        from++;
    for (uint32_t i = from; i < w->depth; i++)
        buf_printf(&line, "%s → ", p->steps[w->path[i]].name);
    buf_puts(&line, p->steps[back->on].name);
    int rc = yaml_err(err, &p->doc, back->at, "steps wait for each other: %s", buf_cstr(&line));
    buf_free(&line);
    if (w->path[w->depth - 1] == back->on)
        return err_hint(rc, err, "to read what existed before, write NAME@latest");
    return rc;
}

static int walk_from(const struct pipeline_spec *p, struct walk *w, uint32_t start, struct err *err)
{
    w->depth = 0;
    for (uint32_t enter = start;;) {
        if (w->colours[enter] == WHITE) {
            w->colours[enter] = GREY;
            w->path[w->depth] = enter;
            w->next[w->depth++] = 0;
        }
        uint32_t here = w->path[w->depth - 1];
        if (w->next[w->depth - 1] == p->steps[here].edge_count) {
            w->colours[here] = BLACK;
            if (--w->depth == 0)
                return 0;
            enter = w->path[w->depth - 1];
            continue;
        }
        const struct spec_edge *e = &p->steps[here].edges[w->next[w->depth - 1]++];
        if (w->colours[e->on] == GREY)
            return report_cycle(p, w, e, err);
        enter = w->colours[e->on] == WHITE ? e->on : here;
    }
}

static int check_cycles(const struct pipeline_spec *p, struct err *err)
{
    CLEANUP(freep) uint32_t *path = xcalloc(p->step_count, sizeof(*path));
    CLEANUP(freep) uint32_t *next = xcalloc(p->step_count, sizeof(*next));
    CLEANUP(freep) uint8_t *colours = xcalloc(p->step_count, 1);
    struct walk w = {.path = path, .next = next, .colours = colours};
    int rc = 0;
    for (uint32_t i = 0; !rc && i < p->step_count; i++)
        if (colours[i] == WHITE)
            rc = walk_from(p, &w, i, err);
    return rc;
}

int graph_link(struct pipeline_spec *p, struct err *err)
{
    struct linker l = {.p = p,
                       .steps = map_new(),
                       .datasets = map_new(),
                       .models = map_new(),
                       .seen = xcalloc(p->step_count, sizeof(*l.seen))};
    int rc = 0;
    for (uint32_t i = 0; !rc && i < p->step_count; i++)
        rc = index_step(&l, i, err);
    for (uint32_t i = 0; !rc && i < p->step_count; i++)
        rc = link_step(&l, i, err);
    if (!rc)
        rc = check_cycles(p, err);
    map_free(l.steps, NULL);
    map_free(l.datasets, NULL);
    map_free(l.models, NULL);
    vec_free(&l.edges);
    free(l.seen);
    return rc;
}
