/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens, sessions and links as a caller meets them. Callers are identified on real loops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../store/scratch.h"
#include "access/access.h"
#include "sys/clock.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define LOOPS 2
#define MINUTE (INT64_C(60) * 1000)

static const struct migration steps[] = {{1, access_schema_1}};

struct fixture {
    struct scratch scratch;
    struct store *store;
    struct loops *loops;
    struct access *access;
};

static void open_all(struct fixture *f)
{
    struct store_config config = {f->scratch.dir, steps, LENGTH(steps)};
    assert_int_equal(store_open(&config, &f->store, NULL), 0);
    assert_int_equal(loops_start(LOOPS, &f->loops, NULL), 0);
    assert_int_equal(access_open(f->store, f->loops, f->scratch.dir, &f->access, NULL), 0);
}

static void close_all(struct fixture *f)
{
    loops_stop(f->loops);
    access_close(f->access);
    loops_free(f->loops);
    store_close(f->store);
}

static void restart(struct fixture *f)
{
    close_all(f);
    open_all(f);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    scratch_make(&f->scratch);
    *state = f;
    open_all(f);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    clock_fix_ms(-1);
    close_all(f);
    scratch_remove(&f->scratch);
    free(f);
    return 0;
}

struct question {
    struct gate gate;
    str bearer, cookie;
    struct principal who;
    struct err err;
    int rc;
    sem_t answered;
};

static void ask_on_loop(struct loop *l, void *arg)
{
    struct question *q = arg;
    q->rc = q->gate.identify(q->gate.ctx, l, q->bearer, q->cookie, &q->who, &q->err);
    sem_post(&q->answered);
}

static int ask(struct fixture *f, unsigned loop, const char *bearer, const char *cookie,
               struct principal *ret)
{
    struct question q = {
        .gate = access_gate(f->access), .bearer = str_from(bearer), .cookie = str_from(cookie)};
    sem_init(&q.answered, 0, 0);
    loop_post(loops_get(f->loops, loop), ask_on_loop, &q);
    sem_wait(&q.answered);
    sem_destroy(&q.answered);
    if (ret && !q.rc)
        *ret = q.who;
    return q.rc;
}

static int bearer(struct fixture *f, const char *secret)
{
    return ask(f, 0, secret, NULL, NULL);
}

/* Whether the cookie makes the caller somebody. */
static bool signed_in(struct fixture *f, const char *cookie)
{
    struct principal who;
    assert_int_equal(ask(f, 0, NULL, cookie, &who), 0);
    return who.id[0] != 0;
}

static char *owner_path(struct fixture *f)
{
    return fs_join(f->scratch.dir, "owner.token");
}

static void owner_secret(struct fixture *f, char ret[TOKEN_MAX])
{
    CLEANUP(freep) char *path = owner_path(f);
    struct buf b;
    assert_int_equal(fs_read(path, 1000, &b, NULL), 0);
    str s = str_trim(buf_view(&b));
    assert_true(s.n < TOKEN_MAX);
    memcpy(ret, s.p, s.n);
    ret[s.n] = 0;
    buf_free(&b);
}

struct issued {
    char id[33], secret[TOKEN_MAX];
};

static struct issued issue(struct fixture *f, const char *role, const char *kind, int64_t ttl_ms)
{
    struct issued t = {0};
    struct token_spec spec = {"ci", "default", role, kind, ttl_ms};
    assert_int_equal(access_token_create(f->access, &spec, t.id, t.secret, NULL), 0);
    return t;
}

/* ---- the owner */

static void first_start_writes_the_owners_token(void **state)
{
    struct fixture *f = *state;
    CLEANUP(freep) char *path = owner_path(f);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    char secret[TOKEN_MAX];
    owner_secret(f, secret);
    assert_memory_equal(secret, "tn_", 3);
    assert_int_equal(strlen(secret), 46);
    struct principal who;
    assert_int_equal(ask(f, 0, secret, NULL, &who), 0);
    assert_string_equal(who.name, "owner");
    assert_string_equal(who.project, "default");
    assert_int_equal(who.perms, PERM_NONE | PERM_READ | PERM_WRITE | PERM_PREDICT | PERM_ADMIN);
}

static void a_restart_keeps_the_owners_token(void **state)
{
    struct fixture *f = *state;
    char before[TOKEN_MAX], after[TOKEN_MAX];
    owner_secret(f, before);
    restart(f);
    owner_secret(f, after);
    assert_string_equal(before, after);
    assert_int_equal(bearer(f, after), 0);
}

static void a_lost_owner_file_is_not_made_again(void **state)
{
    struct fixture *f = *state;
    CLEANUP(freep) char *path = owner_path(f);
    char secret[TOKEN_MAX];
    owner_secret(f, secret);
    assert_int_equal(unlink(path), 0);
    restart(f);
    assert_false(fs_exists(path));
    assert_int_equal(bearer(f, secret), 0);
}

/* Even when the owner's token itself is revoked: that was somebody's decision. */
static void a_revoked_owner_is_not_made_again(void **state)
{
    struct fixture *f = *state;
    char secret[TOKEN_MAX];
    struct principal who;
    owner_secret(f, secret);
    assert_int_equal(ask(f, 0, secret, NULL, &who), 0);
    assert_int_equal(access_token_revoke(f->access, who.id, NULL), 0);
    restart(f);
    assert_int_equal(bearer(f, secret), E_UNAUTHENTICATED);
    char now[TOKEN_MAX];
    owner_secret(f, now);
    assert_string_equal(now, secret);
}

/* Killed after the file and before its row: the file holds a secret that nobody knows. */
static void an_interrupted_first_start_begins_anew(void **state)
{
    struct fixture *f = *state;
    close_all(f);
    assert_int_equal(fs_remove_tree(f->scratch.dir, NULL), 0);
    assert_int_equal(fs_mkdirs(f->scratch.dir, 0700, NULL), 0);
    CLEANUP(freep) char *path = owner_path(f);
    assert_int_equal(fs_write_atomic(path, "tn_unknown\n", 11, 0600, NULL), 0);
    open_all(f);
    char secret[TOKEN_MAX];
    owner_secret(f, secret);
    assert_string_not_equal(secret, "tn_unknown");
    assert_int_equal(bearer(f, secret), 0);
    assert_int_equal(bearer(f, "tn_unknown"), E_UNAUTHENTICATED);
}

/* ---- tokens */

static void nobody_may_nothing(void **state)
{
    struct fixture *f = *state;
    struct principal who;
    memset(&who, 1, sizeof(who));
    assert_int_equal(ask(f, 0, NULL, NULL, &who), 0);
    assert_string_equal(who.id, "");
    assert_int_equal(who.perms, PERM_NONE);
}

static void each_role_may_what_it_may(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *role;
        unsigned perms;
    } want[] = {
        {"owner", PERM_NONE | PERM_READ | PERM_WRITE | PERM_PREDICT | PERM_ADMIN},
        {"editor", PERM_NONE | PERM_READ | PERM_WRITE | PERM_PREDICT},
        {"reader", PERM_NONE | PERM_READ},
        {"caller", PERM_NONE | PERM_PREDICT},
    };
    for (size_t i = 0; i < LENGTH(want); i++) {
        struct issued t = issue(f, want[i].role, "api", 0);
        struct principal who;
        for (unsigned loop = 0; loop < LOOPS; loop++) {
            assert_int_equal(ask(f, loop, t.secret, NULL, &who), 0);
            assert_int_equal(who.perms, want[i].perms);
            assert_string_equal(who.id, t.id);
        }
        restart(f);
        assert_int_equal(ask(f, 0, t.secret, NULL, &who), 0);
        assert_int_equal(who.perms, want[i].perms);
    }
}

static void a_wrong_token_is_refused(void **state)
{
    struct fixture *f = *state;
    struct issued t = issue(f, "owner", "api", 0);
    size_t n = strlen(t.secret);
    for (size_t i = 0; i < n; i++) {
        char wrong[TOKEN_MAX];
        memcpy(wrong, t.secret, sizeof(wrong));
        wrong[i] = wrong[i] == 'A' ? 'B' : 'A';
        assert_int_equal(bearer(f, wrong), E_UNAUTHENTICATED);
    }
    char longer[4096];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = 0;
    memcpy(longer, t.secret, n);
    assert_int_equal(bearer(f, longer), E_UNAUTHENTICATED);
    longer[n] = ' ';
    longer[n + 1] = 0;
    assert_int_equal(bearer(f, longer), E_UNAUTHENTICATED);
    assert_int_equal(bearer(f, "tn_"), E_UNAUTHENTICATED);
    assert_int_equal(bearer(f, t.id), E_UNAUTHENTICATED);
    assert_int_equal(bearer(f, t.secret), 0);
}

static void a_token_ends_when_it_expires(void **state)
{
    struct fixture *f = *state;
    int64_t now = clock_ms();
    clock_fix_ms(now);
    struct issued t = issue(f, "reader", "api", 10 * MINUTE);
    clock_fix_ms(now + 10 * MINUTE - 1);
    assert_int_equal(bearer(f, t.secret), 0);
    clock_fix_ms(now + 10 * MINUTE);
    assert_int_equal(bearer(f, t.secret), E_UNAUTHENTICATED);
    restart(f);
    assert_int_equal(bearer(f, t.secret), E_UNAUTHENTICATED);
}

static void revoking_works_at_once_and_for_good(void **state)
{
    struct fixture *f = *state;
    struct issued t = issue(f, "owner", "api", 0), other = issue(f, "owner", "api", 0);
    assert_int_equal(access_token_revoke(f->access, t.id, NULL), 0);
    for (unsigned loop = 0; loop < LOOPS; loop++)
        assert_int_equal(ask(f, loop, t.secret, NULL, NULL), E_UNAUTHENTICATED);
    assert_int_equal(bearer(f, other.secret), 0);
    restart(f);
    assert_int_equal(bearer(f, t.secret), E_UNAUTHENTICATED);
    assert_int_equal(bearer(f, other.secret), 0);
    assert_int_equal(access_token_revoke(f->access, t.id, NULL), E_NOTFOUND);
    assert_int_equal(access_token_revoke(f->access, "'; DROP TABLE tokens", NULL), E_NOTFOUND);
}

static void a_senseless_token_is_refused(void **state)
{
    struct fixture *f = *state;
    char long_name[100], token_id[33] = "same", secret[TOKEN_MAX] = "same";
    memset(long_name, 'n', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = 0;
    const struct token_spec specs[] = {
        {"", "default", "owner", "api", 0},        {long_name, "default", "owner", "api", 0},
        {"a\nb", "default", "owner", "api", 0},    {"\xff", "default", "owner", "api", 0},
        {"ci", "../x", "owner", "api", 0},         {"ci", long_name, "owner", "api", 0},
        {"ci", "default", "ownr", "api", 0},       {"ci", "default", NULL, "api", 0},
        {"ci", "default", "owner", "password", 0}, {"ci", "default", "owner", "api", -1},
    };
    struct err err;
    for (size_t i = 0; i < LENGTH(specs); i++) {
        assert_int_equal(access_token_create(f->access, &specs[i], token_id, secret, &err),
                         E_INVALID);
        assert_true(err.msg[0]);
    }
    assert_int_equal(access_token_create(f->access, &specs[6], token_id, secret, &err), E_INVALID);
    assert_non_null(strstr(err.hint, "'owner'"));
    assert_string_equal(token_id, "same");
    assert_string_equal(secret, "same");
}

static void the_list_shows_no_secret(void **state)
{
    struct fixture *f = *state;
    struct issued t = issue(f, "reader", "api", 10 * MINUTE);
    CLEANUP(json_freep) json_t *list = NULL;
    assert_int_equal(access_token_list(f->access, &list, NULL), 0);
    assert_int_equal(json_array_size(list), 2);
    /* Two made in one millisecond have no order. */
    bool first = strcmp(json_s(json_array_get(list, 0), "name"), "owner") == 0;
    const json_t *owner = json_array_get(list, !first), *mine = json_array_get(list, first);
    assert_string_equal(json_s(owner, "name"), "owner");
    assert_true(json_is_null(json_object_get(owner, "expires_at")));
    assert_string_equal(json_s(mine, "id"), t.id);
    assert_string_equal(json_s(mine, "role"), "reader");
    assert_string_equal(json_s(mine, "kind"), "api");
    assert_true(json_i(mine, "expires_at") - json_i(mine, "created_at") >= 9 * MINUTE);
    assert_int_equal(json_object_size(mine), 7);
    CLEANUP(freep) char *text = json_text(list);
    assert_null(strstr(text, t.secret));
}

static bool file_contains(struct fixture *f, const char *name, const char *needle)
{
    CLEANUP(freep) char *path = fs_join(f->scratch.dir, name);
    struct buf b;
    if (fs_read(path, 64 << 20, &b, NULL))
        return false;
    bool found = memmem(b.p, b.n, needle, strlen(needle)) != NULL;
    buf_free(&b);
    return found;
}

static void a_stolen_database_holds_no_secret(void **state)
{
    struct fixture *f = *state;
    struct issued t = issue(f, "owner", "api", 0), link = issue(f, "owner", "link", 0);
    assert_true(file_contains(f, "tenon.db-wal", t.id)); /* the search itself works */
    assert_false(file_contains(f, "tenon.db-wal", t.secret + 3));
    assert_false(file_contains(f, "tenon.db-wal", link.secret + 3));
    restart(f);
    assert_true(file_contains(f, "tenon.db", t.id));
    assert_false(file_contains(f, "tenon.db", t.secret + 3));
    assert_false(file_contains(f, "tenon.db", link.secret + 3));
}

/* ---- links and sessions */

static int redeem(struct fixture *f, const char *link, char ret[TOKEN_MAX])
{
    return access_link_redeem(f->access, str_from(link), ret, NULL);
}

static void a_link_makes_one_session(void **state)
{
    struct fixture *f = *state;
    struct issued link = issue(f, "editor", "link", 0);
    char session[TOKEN_MAX] = "same", again[TOKEN_MAX] = "same";
    assert_int_equal(redeem(f, link.secret, session), 0);
    char cookie[256];
    struct principal who;
    snprintf(cookie, sizeof(cookie), "theme=dark; tenon_session=%s; lang=zh", session);
    assert_int_equal(ask(f, 1, NULL, cookie, &who), 0);
    assert_int_equal(who.perms, PERM_NONE | PERM_READ | PERM_WRITE | PERM_PREDICT);
    assert_int_equal(redeem(f, link.secret, again), E_UNAUTHENTICATED);
    assert_string_equal(again, "same");
    restart(f);
    assert_int_equal(redeem(f, link.secret, again), E_UNAUTHENTICATED);
    assert_true(signed_in(f, cookie));
}

struct racer {
    struct fixture *f;
    const char *link;
    int rc;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    char session[TOKEN_MAX];
    r->rc = redeem(r->f, r->link, session);
    return NULL;
}

static void racing_for_a_link_has_one_winner(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 20; round++) {
        struct issued link = issue(f, "owner", "link", 0);
        pthread_t threads[8];
        struct racer racers[8];
        int winners = 0;
        for (int i = 0; i < 8; i++) {
            racers[i] = (struct racer){f, link.secret, -1};
            assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
        }
        for (int i = 0; i < 8; i++) {
            pthread_join(threads[i], NULL);
            winners += racers[i].rc == 0;
            assert_true(racers[i].rc == 0 || racers[i].rc == E_UNAUTHENTICATED);
        }
        assert_int_equal(winners, 1);
    }
}

static void a_link_ends_after_half_an_hour(void **state)
{
    struct fixture *f = *state;
    int64_t now = clock_ms();
    clock_fix_ms(now);
    struct issued early = issue(f, "owner", "link", 0), late = issue(f, "owner", "link", 0);
    char session[TOKEN_MAX];
    clock_fix_ms(now + 30 * MINUTE - 1);
    assert_int_equal(redeem(f, early.secret, session), 0);
    clock_fix_ms(now + 30 * MINUTE);
    assert_int_equal(redeem(f, late.secret, session), E_UNAUTHENTICATED);
}

static void a_session_ends_after_twelve_hours(void **state)
{
    struct fixture *f = *state;
    int64_t now = clock_ms();
    clock_fix_ms(now);
    char session[TOKEN_MAX], cookie[128];
    assert_int_equal(redeem(f, issue(f, "owner", "link", 0).secret, session), 0);
    snprintf(cookie, sizeof(cookie), "tenon_session=%s", session);
    clock_fix_ms(now + 12 * 60 * MINUTE - 1);
    assert_true(signed_in(f, cookie));
    clock_fix_ms(now + 12 * 60 * MINUTE);
    assert_false(signed_in(f, cookie));
}

static void signing_out_ends_the_session(void **state)
{
    struct fixture *f = *state;
    char session[TOKEN_MAX], cookie[128];
    struct principal who;
    assert_int_equal(redeem(f, issue(f, "owner", "link", 0).secret, session), 0);
    snprintf(cookie, sizeof(cookie), "tenon_session=%s", session);
    assert_int_equal(ask(f, 0, NULL, cookie, &who), 0);
    assert_int_equal(access_token_revoke(f->access, who.id, NULL), 0);
    assert_false(signed_in(f, cookie));
}

static void a_revoked_link_is_dead(void **state)
{
    struct fixture *f = *state;
    struct issued link = issue(f, "owner", "link", 0);
    char session[TOKEN_MAX];
    assert_int_equal(access_token_revoke(f->access, link.id, NULL), 0);
    assert_int_equal(redeem(f, link.secret, session), E_UNAUTHENTICATED);
}

/* A link is no token, an API token is no cookie (a foreign page could make a browser send one), a
 * session is no bearer. */
static void each_credential_has_one_place(void **state)
{
    struct fixture *f = *state;
    struct issued link = issue(f, "owner", "link", 0), api = issue(f, "owner", "api", 0),
                  attempt = issue(f, "editor", "attempt", MINUTE);
    char session[TOKEN_MAX], cookie[128];
    assert_int_equal(bearer(f, link.secret), E_UNAUTHENTICATED);
    assert_int_equal(redeem(f, api.secret, session), E_UNAUTHENTICATED);
    assert_int_equal(redeem(f, "", session), E_UNAUTHENTICATED);
    snprintf(cookie, sizeof(cookie), "tenon_session=%s", api.secret);
    assert_false(signed_in(f, cookie));
    snprintf(cookie, sizeof(cookie), "tenon_session=%s", link.secret);
    assert_false(signed_in(f, cookie));
    assert_int_equal(bearer(f, attempt.secret), 0);
    assert_int_equal(redeem(f, link.secret, session), 0);
    assert_int_equal(bearer(f, session), E_UNAUTHENTICATED);
    restart(f);
    assert_int_equal(bearer(f, session), E_UNAUTHENTICATED);
}

static void odd_cookies_are_nobody(void **state)
{
    struct fixture *f = *state;
    static const char *const cookies[] = {
        "",   ";", ";;; =", "tenon_session=", "tenon_session", "=", "xx", "a=b; tenon_session=tn_",
        "tn_"};
    for (size_t i = 0; i < LENGTH(cookies); i++)
        assert_false(signed_in(f, cookies[i]));
}

/* ---- on the loops */

struct churn {
    struct fixture *f;
    atomic_bool stop;
    _Atomic long asked, wrong;
    const char *steady;
};

static void *keep_asking(void *arg)
{
    struct churn *c = arg;
    while (!c->stop) {
        for (unsigned loop = 0; loop < LOOPS; loop++)
            if (ask(c->f, loop, c->steady, NULL, NULL))
                c->wrong++;
        c->asked++;
    }
    return NULL;
}

static void *keep_changing(void *arg)
{
    struct churn *c = arg;
    for (int i = 0; i < 100; i++) {
        struct issued t = issue(c->f, "caller", "attempt", 0);
        if (ask(c->f, 0, t.secret, NULL, NULL))
            c->wrong++;
        access_token_revoke(c->f->access, t.id, NULL);
        if (!ask(c->f, 1, t.secret, NULL, NULL))
            c->wrong++;
    }
    return NULL;
}

static void loops_read_while_tokens_change(void **state)
{
    struct fixture *f = *state;
    struct issued steady = issue(f, "owner", "api", 0);
    struct churn c = {.f = f, .steady = steady.secret};
    pthread_t asking, changing[4];
    assert_int_equal(pthread_create(&asking, NULL, keep_asking, &c), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&changing[i], NULL, keep_changing, &c), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(changing[i], NULL);
    c.stop = true;
    pthread_join(asking, NULL);
    assert_int_equal(c.wrong, 0);
    assert_true(c.asked > 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_start_writes_the_owners_token),
        TEST(a_restart_keeps_the_owners_token),
        TEST(a_lost_owner_file_is_not_made_again),
        TEST(a_revoked_owner_is_not_made_again),
        TEST(an_interrupted_first_start_begins_anew),
        TEST(nobody_may_nothing),
        TEST(each_role_may_what_it_may),
        TEST(a_wrong_token_is_refused),
        TEST(a_token_ends_when_it_expires),
        TEST(revoking_works_at_once_and_for_good),
        TEST(a_senseless_token_is_refused),
        TEST(the_list_shows_no_secret),
        TEST(a_stolen_database_holds_no_secret),
        TEST(a_link_makes_one_session),
        TEST(racing_for_a_link_has_one_winner),
        TEST(a_link_ends_after_half_an_hour),
        TEST(a_session_ends_after_twelve_hours),
        TEST(signing_out_ends_the_session),
        TEST(a_revoked_link_is_dead),
        TEST(each_credential_has_one_place),
        TEST(odd_cookies_are_nobody),
        TEST(loops_read_while_tokens_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
