/* SPDX-License-Identifier: Apache-2.0
 *
 * The one table of commands, and the three that only read it: help, completion, version.
 */
#include "cli/cli_int.h"

#include "pipeline/pipeline.h"

#include <string.h>

static const struct option up_options[] = {
    {"data", "DIR", "data directory (default: $TENON_DATA, else ./tenon-data)"},
    {"listen", "HOST:PORT", "address to listen on (default 127.0.0.1:8700; port 0 = any free one)"},
    {0},
};
static const struct option run_options[] = {
    {"param", "K=V", "set a parameter of the pipeline; may be repeated"},
    {"detach", NULL, "submit and return; print the run's id"},
    {0},
};
static const struct option ingest_options[] = {
    {"name", "DATASET", "name of the dataset (default: the file's name)"},
    {"append", NULL, "append to the dataset instead of replacing its content"},
    {0},
};
static const struct option limit_options[] = {
    {"limit", "N", "at most N rows (default 20)"},
    {0},
};
static const struct option version_options[] = {
    {"version", "N", "a version other than the latest"},
    {0},
};
static const struct option logs_options[] = {
    {"follow", NULL, "go on until the step ends"},
    {"attempt", "N", "an attempt other than the latest"},
    {"tail", "BYTES", "only the end"},
    {0},
};
static const struct option predict_options[] = {
    {"rows", "FILE", "rows from a Parquet, CSV or JSON file, or a quoted pattern of files"},
    {"limit", "N", "at most N rows of the file (default 10)"},
    {"where", "SQL", "only the file's rows for which this holds"},
    {"truth", "COLUMN", "show this column of the file beside the prediction"},
    {0},
};
static const struct option deploy_options[] = {
    {"version", "REF", "version number, @alias or latest (default: latest)"},
    {0},
};
static const struct option token_options[] = {
    {"role", "ROLE", "owner, editor, reader or caller (default: reader)"},
    {"ttl", "DAYS", "days until it expires (default: never)"},
    {0},
};

/* clang-format off */
const struct command commands[] = {
    {"up", "", "Start the server", "tenon up --data ./tenon-data --listen 127.0.0.1:8700", up_options, 0, 0, cmd_up},
    {"run", "FILE", "Run a pipeline and watch it", "tenon run pipeline.yaml --param rounds=50", run_options, 1, 1, cmd_run},
    {"status", "", "What runs, what serves, where the data is", NULL, NULL, 0, 0, cmd_status},
    {"data list", "", "List datasets", NULL, NULL, 0, 0, cmd_data_list},
    {"data show", "NAME", "A dataset's schema, sample and history", NULL, version_options, 1, 1, cmd_data_show},
    {"data ingest", "FILE", "Make a dataset from a CSV, Parquet or JSON-lines file", "tenon data ingest trips.csv --name trips", ingest_options, 1, 1, cmd_data_ingest},
    {"runs list", "", "List runs, newest first", NULL, limit_options, 0, 0, cmd_runs_list},
    {"runs show", "RUN", "One run with its steps", NULL, NULL, 1, 1, cmd_runs_show},
    {"runs cancel", "RUN", "Cancel a run", NULL, NULL, 1, 1, cmd_runs_cancel},
    {"logs", "RUN STEP", "A step's log", "tenon logs latest train --follow", logs_options, 2, 2, cmd_logs},
    {"model list", "", "List models", NULL, NULL, 0, 0, cmd_model_list},
    {"model show", "NAME[:VERSION]", "A model's versions, or one version", "tenon model show late-arrival:latest", NULL, 1, 1, cmd_model_show},
    {"model alias", "NAME ALIAS VERSION", "Point an alias at a version", "tenon model alias late-arrival champion 3", NULL, 3, 3, cmd_model_alias},
    {"endpoint list", "", "List endpoints", NULL, NULL, 0, 0, cmd_endpoint_list},
    {"endpoint show", "NAME", "One endpoint with its signature", NULL, NULL, 1, 1, cmd_endpoint_show},
    {"endpoint deploy", "NAME MODEL", "Serve a model version under a name", "tenon endpoint deploy late late-arrival --version 3", deploy_options, 2, 2, cmd_endpoint_deploy},
    {"endpoint remove", "NAME", "Stop serving under a name", NULL, NULL, 1, 1, cmd_endpoint_remove},
    {"predict", "ENDPOINT [COLUMN=VALUE…]", "Ask an endpoint", "tenon predict late-arrival carrier=UA dep_hour=17", predict_options, 1, -1, cmd_predict},
    {"token list", "", "List tokens", NULL, NULL, 0, 0, cmd_token_list},
    {"token create", "NAME", "Make a token; its secret is shown once", "tenon token create ci --role editor --ttl 90", token_options, 1, 1, cmd_token_create},
    {"token revoke", "ID", "Revoke a token", NULL, NULL, 1, 1, cmd_token_revoke},
    {"token link", "", "Make a one-time link to the console", NULL, NULL, 0, 0, cmd_token_link},
    {"doctor", "", "Check this machine, the data directory and the server", NULL, NULL, 0, 0, cmd_doctor},
    {"version", "", "Print the version", NULL, NULL, 0, 0, cmd_version},
    {"completion", "SHELL", "Print completion for bash, zsh or fish", "source <(tenon completion bash)", NULL, 1, 1, cmd_completion},
    {"help", "[COMMAND]", "Explain a command", NULL, NULL, 0, 2, cmd_help},
};
/* clang-format on */
const size_t command_count = LENGTH(commands);

static void help_all(const struct cli *c)
{
    printf("Tenon carries a model through its whole life: data, training, registry, serving.\n\n"
           "%susage:%s tenon COMMAND [ARGUMENTS] [OPTIONS]\n\n",
           paint(c, BOLD), unpaint(c));
    for (size_t i = 0; i < command_count; i++)
        printf("  %s%-16s%s %-28s %s\n", paint(c, CYAN), commands[i].name, unpaint(c),
               commands[i].args, commands[i].summary);
    printf("\nEverywhere: -o json  prints what the API answered\n"
           "            --url URL, --data DIR  which server ($TENON_URL and $TENON_TOKEN,\n"
           "            else the one that runs on the data directory)\n"
           "A pipeline's file is explained by: tenon help pipeline\n"
           "Start with: tenon up\n");
}

static void help_one(const struct cli *c, const struct command *cmd)
{
    printf("%s\n\n%susage:%s tenon %s %s%s\n", cmd->summary, paint(c, BOLD), unpaint(c), cmd->name,
           cmd->args, cmd->options ? " [OPTIONS]" : "");
    for (const struct option *o = cmd->options; o && o->name; o++) {
        char spelled[64];
        snprintf(spelled, sizeof(spelled), "--%s%s%s", o->name, o->value ? " " : "",
                 o->value ? o->value : "");
        printf("  %-20s %s\n", spelled, o->help);
    }
    if (cmd->example)
        printf("\nexample:\n  %s\n", cmd->example);
}

/* "model" shows every "model …". */
static bool help_group(const struct cli *c, str noun)
{
    bool any = false;
    for (size_t i = 0; i < command_count; i++) {
        str name = str_from(commands[i].name);
        if (!str_starts(name, noun) || (name.n > noun.n && name.p[noun.n] != ' '))
            continue;
        if (any)
            printf("\n");
        help_one(c, &commands[i]);
        any = true;
    }
    return any;
}

static int help_pipeline(struct err *err)
{
    enum { TEXT_MAX = 1 << 16 };
    struct buf text = BUF(TEXT_MAX);
    pipeline_describe(&text);
    bool whole = buf_ok(&text) && fwrite(text.p, 1, text.n, stdout) == text.n;
    buf_free(&text);
    return whole ? 0 : err_set(err, E_IO, "the text could not be written");
}

int cmd_help(struct cli *c, struct err *err)
{
    if (!c->n_args) {
        help_all(c);
        return 0;
    }
    const char *name =
        c->n_args == 2 ? arena_printf(c->arena, "%s %s", c->args[0], c->args[1]) : c->args[0];
    if (strcmp(name, "pipeline") == 0)
        return help_pipeline(err);
    if (help_group(c, str_from(name)))
        return 0;
    return err_hint(err_set(err, E_INVALID, "no command '%s'", name), err, "see: tenon help");
}

int cmd_version(struct cli *c, struct err *err)
{
    (void)err;
    if (c->json)
        printf("{\"version\":\"%s\"}\n", TENON_VERSION);
    else
        printf("tenon %s\n", TENON_VERSION);
    return 0;
}

static void words(const char *separator, str prefix)
{
    bool first = true;
    for (size_t i = 0; i < command_count; i++) {
        str head, tail;
        str_cut(str_from(commands[i].name), ' ', &head, &tail);
        str word = prefix.n ? tail : head;
        bool wanted = prefix.n ? str_eq(head, prefix) && tail.n : true;
        /* The table groups a noun's verbs, so a repeated noun follows itself. */
        if (!prefix.n && i && str_starts(str_from(commands[i - 1].name), head) && tail.n)
            wanted = false;
        if (!wanted)
            continue;
        printf("%s%.*s", first ? "" : separator, STR(word));
        first = false;
    }
}

static void nouns_with_verbs(const char *format_head, const char *format_tail)
{
    str last = {0};
    for (size_t i = 0; i < command_count; i++) {
        str head, tail;
        str_cut(str_from(commands[i].name), ' ', &head, &tail);
        if (!tail.n || str_eq(head, last))
            continue;
        printf(format_head, STR(head));
        words(" ", head);
        printf("%s", format_tail);
        last = head;
    }
}

int cmd_completion(struct cli *c, struct err *err)
{
    const char *shell = c->args[0];
    if (strcmp(shell, "fish") == 0) {
        printf("complete -c tenon -f\ncomplete -c tenon -n __fish_use_subcommand -a '");
        words(" ", (str){0});
        printf("'\n");
        nouns_with_verbs("complete -c tenon -n '__fish_seen_subcommand_from %.*s' -a '", "'\n");
        printf("complete -c tenon -n '__fish_seen_subcommand_from run' -F\n");
        return 0;
    }
    if (strcmp(shell, "bash") != 0 && strcmp(shell, "zsh") != 0)
        return err_set(err, E_INVALID, "no completion for '%s': bash, zsh or fish", shell);
    if (strcmp(shell, "zsh") == 0)
        printf("autoload -Uz bashcompinit && bashcompinit\n");
    printf("_tenon() {\n  local cur=${COMP_WORDS[COMP_CWORD]}\n"
           "  if [ $COMP_CWORD -eq 1 ]; then COMPREPLY=($(compgen -W '");
    words(" ", (str){0});
    printf("' -- \"$cur\")); return; fi\n"
           "  if [ $COMP_CWORD -eq 2 ]; then case ${COMP_WORDS[1]} in\n");
    nouns_with_verbs("    %.*s) COMPREPLY=($(compgen -W '", "' -- \"$cur\")); return;;\n");
    printf("  esac; fi\n  COMPREPLY=($(compgen -f -- \"$cur\"))\n}\n"
           "complete -o filenames -F _tenon tenon\n");
    return 0;
}
