/* SPDX-License-Identifier: Apache-2.0
 *
 * From argv to a command with its options. Options may stand anywhere; `--` ends them; both
 * "--name value" and "--name=value" work.
 */
#include "cli/cli_int.h"

#include <stdlib.h>
#include <string.h>

static const struct option everywhere[] = {
    {"output", "FORMAT", "text or json"},
    {"url", "URL", "the server"},
    {"data", "DIR", "the data directory"},
    {"help", NULL, "explain this command"},
    {0},
};

/* The longest command whose words start argv; its word count goes to *ret_words. */
static const struct command *find_command(char **argv, int argc, int *ret_words)
{
    for (int words = MIN(argc, 2); words > 0; words--) {
        for (size_t i = 0; i < command_count; i++) {
            str head, tail;
            bool two = str_cut(str_from(commands[i].name), ' ', &head, &tail);
            if (two != (words == 2) || !str_is(head, argv[0]))
                continue;
            if (two && !str_is(tail, argv[1]))
                continue;
            *ret_words = words;
            return &commands[i];
        }
    }
    return NULL;
}

static int unknown_command(char **argv, int argc, struct err *err)
{
    const char *names[64];
    size_t n = 0;
    bool group = false;
    for (size_t i = 0; i < command_count && n < LENGTH(names); i++) {
        str head, tail;
        str_cut(str_from(commands[i].name), ' ', &head, &tail);
        group |= tail.n && str_is(head, argv[0]);
        names[n++] = commands[i].name;
    }
    if (group)
        return err_hint(argc > 1 ? err_set(err, E_INVALID, "no command '%s %s'", argv[0], argv[1])
                                 : err_set(err, E_INVALID, "'%s' needs a verb", argv[0]),
                        err, "see: tenon help %s", argv[0]);
    int rc = err_set(err, E_INVALID, "no command '%s'", argv[0]);
    const char *near = str_nearest(str_from(argv[0]), names, n);
    return near ? err_hint(rc, err, "did you mean 'tenon %s'?", near)
                : err_hint(rc, err, "see: tenon help");
}

static const struct option *find_option(const struct option *table, str name)
{
    for (const struct option *o = table; o && o->name; o++)
        if (str_is(name, o->name))
            return o;
    return NULL;
}

static int unknown_option(const struct command *cmd, str name, struct err *err)
{
    const char *names[32];
    size_t n = 0;
    for (const struct option *o = cmd->options; o && o->name; o++)
        names[n++] = o->name;
    for (const struct option *o = everywhere; o->name; o++)
        names[n++] = o->name;
    int rc = err_set(err, E_INVALID, "'tenon %s' has no option --%.*s", cmd->name, STR(name));
    const char *near = str_nearest(name, names, n);
    return near ? err_hint(rc, err, "did you mean --%s?", near)
                : err_hint(rc, err, "see: tenon help %s", cmd->name);
}

/* One option at argv[*i]; *i moves past its value. */
static int take_option(struct cli *c, int argc, char **argv, int *i, struct err *err)
{
    str text = str_from(argv[*i]), name, value;
    bool inline_value = str_cut(str_skip(text, 2), '=', &name, &value);
    if (text.p[1] != '-') {
        static const struct {
            char letter;
            const char *name;
        } letters[] = {{'o', "output"}, {'h', "help"}, {'f', "follow"}};
        name = (str){0};
        for (size_t k = 0; k < LENGTH(letters); k++)
            if (text.n == 2 && text.p[1] == letters[k].letter)
                name = str_from(letters[k].name);
        if (!name.n)
            return err_hint(err_set(err, E_INVALID, "unknown option '%s'", argv[*i]), err,
                            "see: tenon help %s", c->command->name);
        inline_value = false;
    }
    const struct option *o = find_option(c->command->options, name);
    o = o ? o : find_option(everywhere, name);
    if (!o)
        return unknown_option(c->command, name, err);
    if (o->value && !inline_value && *i + 1 >= argc)
        return err_set(err, E_INVALID, "--%s needs a value: %s", o->name, o->value);
    if (!o->value && inline_value)
        return err_set(err, E_INVALID, "--%s takes no value", o->name);
    if (c->n_given == ARGS_MAX)
        return err_set(err, E_TOOBIG, "more than %d options", ARGS_MAX);
    c->given[c->n_given].name = o->name;
    c->given[c->n_given++].value = !o->value ? "" : inline_value ? value.p : argv[++*i];
    return 0;
}

static int check_arguments(const struct cli *c, struct err *err)
{
    const struct command *cmd = c->command;
    const char *format = cli_option(c, "output");
    if (format && strcmp(format, "json") != 0 && strcmp(format, "text") != 0)
        return err_hint(err_set(err, E_INVALID, "no output format '%s'", format), err,
                        "use -o json or -o text");
    if (cli_switch(c, "help"))
        return 0;
    if (c->n_args < cmd->min_args)
        return err_hint(err_set(err, E_INVALID, "'tenon %s' needs %s", cmd->name, cmd->args), err,
                        "see: tenon help %s", cmd->name);
    if (cmd->max_args >= 0 && c->n_args > cmd->max_args)
        return err_hint(err_set(err, E_INVALID, "'tenon %s' does not take '%s'", cmd->name,
                                c->args[cmd->max_args]),
                        err, "see: tenon help %s", cmd->name);
    return 0;
}

int cli_parse(struct cli *c, int argc, char **argv, struct err *err)
{
    int words = 0, rc = 0;
    static char *help_argv[] = {"help", NULL};
    if (!argc || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        argc = 1;
        argv = help_argv;
    }
    if (strcmp(argv[0], "--version") == 0)
        argv[0] = "version";
    c->command = find_command(argv, argc, &words);
    if (!c->command)
        return unknown_command(argv, argc, err);
    bool options_end = false;
    for (int i = words; i < argc && !rc; i++) {
        if (!options_end && strcmp(argv[i], "--") == 0)
            options_end = true;
        else if (!options_end && argv[i][0] == '-' && argv[i][1])
            rc = take_option(c, argc, argv, &i, err);
        else if (c->n_args == ARGS_MAX)
            rc = err_set(err, E_TOOBIG, "more than %d arguments", ARGS_MAX);
        else
            c->args[c->n_args++] = argv[i];
    }
    rc = rc ? rc : check_arguments(c, err);
    const char *format = cli_option(c, "output");
    c->json = format && strcmp(format, "json") == 0;
    return rc;
}

const char *cli_option(const struct cli *c, const char *name)
{
    for (int i = c->n_given - 1; i >= 0; i--)
        if (strcmp(c->given[i].name, name) == 0)
            return c->given[i].value;
    return NULL;
}

bool cli_switch(const struct cli *c, const char *name)
{
    return cli_option(c, name) != NULL;
}

int cli_option_i64(const struct cli *c, const char *name, int64_t fallback, int64_t *ret,
                   struct err *err)
{
    const char *text = cli_option(c, name);
    int64_t value = fallback;
    if (text && (!str_i64(str_from(text), &value) || value < 0))
        return err_set(err, E_INVALID, "--%s must be a whole number, got '%s'", name, text);
    *ret = value;
    return 0;
}

const char *cli_data_dir(const struct cli *c)
{
    const char *dir = cli_option(c, "data");
    const char *env = getenv("TENON_DATA");
    return dir ? dir : env && env[0] ? env : "tenon-data";
}
