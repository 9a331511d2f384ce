/* SPDX-License-Identifier: Apache-2.0
 *
 * Entry of the command line: parse, run one command, report its error once.
 */
#include "cli/cli_int.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void look_at_terminal(struct cli *c)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    bool terminal = isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
    c->live = terminal && !c->json;
    c->color = c->live && !(no_color && no_color[0]);
}

static int run_command(struct cli *c, struct err *err)
{
    if (cli_switch(c, "help")) {
        c->n_args = 0;
        str head, tail;
        if (str_cut(str_from(c->command->name), ' ', &head, &tail))
            c->args[c->n_args++] = arena_cstr(c->arena, head);
        c->args[c->n_args++] = tail.n ? tail.p : c->command->name;
        return cmd_help(c, err);
    }
    return c->command->fn(c, err);
}

int cli_main(int argc, char **argv, const struct cli_hooks *hooks)
{
    struct cli c = {.hooks = hooks, .arena = arena_new(0)};
    struct err err = {0};
    int rc = cli_parse(&c, argc - 1, argv + 1, &err);
    look_at_terminal(&c);
    rc = rc ? rc : run_command(&c, &err);
    if (rc && err.code)
        print_err(&err);
    if (fflush(stdout) != 0 && !rc)
        rc = E_IO; /* the reader went away: what it asked for was not delivered */
    arena_free(c.arena);
    return rc ? err_exit(err.code ? err.code : E_INTERNAL) : 0;
}
