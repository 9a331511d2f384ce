/* SPDX-License-Identifier: Apache-2.0
 *
 * The published set of endpoints: loops read it without a lock, control threads replace it.
 */
#include "serve/serve_int.h"

#include <string.h>

struct tallies *tallies_new(unsigned loops)
{
    size_t size = sizeof(struct tallies) + loops * sizeof(struct tally);
    size = (size + 63) / 64 * 64;
    struct tallies *t = aligned_alloc(64, size);
    if (!t)
        abort();
    memset(t, 0, size);
    atomic_init(&t->refs, 1);
    t->n = loops;
    return t;
}

struct tallies *tallies_ref(struct tallies *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void tallies_unref(struct tallies *t)
{
    if (t && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1)
        free(t);
}

struct endpoint *endpoint_copy(const struct endpoint *e)
{
    struct endpoint *copy = xcalloc(1, sizeof(*copy));
    *copy = *e;
    copy->project = xstrdup(e->project);
    copy->name = xstrdup(e->name);
    copy->model_name = xstrdup(e->model_name);
    copy->loaded = e->loaded ? model_ref(e->loaded) : NULL;
    copy->tallies = tallies_ref(e->tallies);
    return copy;
}

void endpoint_free(struct endpoint *e)
{
    if (!e)
        return;
    model_unref(e->loaded);
    tallies_unref(e->tallies);
    free(e->project);
    free(e->name);
    free(e->model_name);
    free(e);
}

struct roster *roster_new(void)
{
    struct roster *t = xcalloc(1, sizeof(*t));
    t->by_key = map_new();
    return t;
}

static void free_endpoint(void *e)
{
    endpoint_free(e);
}

void roster_free(struct roster *t)
{
    if (!t)
        return;
    map_free(t->by_key, free_endpoint);
    free(t);
}

static void free_roster(void *t)
{
    roster_free(t);
}

enum { KEY_MAX = 260 }; /* two names of at most 128 */

static str key_of(char key[KEY_MAX], str project, str name)
{
    if (project.n + name.n + 1 > KEY_MAX)
        return S("");
    memcpy(key, project.p, project.n);
    key[project.n] = '/';
    memcpy(key + project.n + 1, name.p, name.n);
    return str_n(key, project.n + 1 + name.n);
}

struct endpoint *roster_find(const struct roster *t, str project, str name)
{
    char key[KEY_MAX];
    return map_get(t->by_key, key_of(key, project, name));
}

static void add(struct roster *t, struct endpoint *e)
{
    char key[KEY_MAX];
    t->loading += e->state == STATE_LOADING;
    map_put(t->by_key, key_of(key, str_from(e->project), str_from(e->name)), e);
}

/* A copy of the published table but for one name. Under the change lock. */
static struct roster *without(struct serve *s, const char *project, const char *name)
{
    struct roster *old = atomic_load(&s->roster), *t = roster_new();
    size_t cursor = 0;
    void *value;
    str key;
    while (map_next(old->by_key, &cursor, &key, &value)) {
        const struct endpoint *e = value;
        if (strcmp(e->project, project) != 0 || strcmp(e->name, name) != 0)
            add(t, endpoint_copy(e));
    }
    return t;
}

static void publish(struct serve *s, struct roster *t)
{
    struct roster *old = atomic_exchange(&s->roster, t);
    atomic_store(&s->loading, t->loading);
    loops_retire(s->loops, free_roster, old);
}

void roster_put(struct serve *s, struct endpoint *e)
{
    pthread_mutex_lock(&s->change);
    struct roster *t = without(s, e->project, e->name);
    add(t, e);
    publish(s, t);
    pthread_mutex_unlock(&s->change);
}

void roster_remove(struct serve *s, const char *project, const char *name)
{
    pthread_mutex_lock(&s->change);
    publish(s, without(s, project, name));
    pthread_mutex_unlock(&s->change);
}

struct endpoint *endpoint_get(struct serve *s, const char *project, const char *name)
{
    pthread_mutex_lock(&s->change);
    struct roster *t = atomic_load(&s->roster);
    const struct endpoint *e = roster_find(t, str_from(project), str_from(name));
    struct endpoint *copy = e ? endpoint_copy(e) : NULL;
    pthread_mutex_unlock(&s->change);
    return copy;
}
