/* SPDX-License-Identifier: Apache-2.0
 *
 * What the commands share: parsed arguments, the connection, and how things are printed.
 */
#ifndef TENON_CLI_INT_H
#define TENON_CLI_INT_H

#include "base/arena.h"
#include "base/id.h"
#include "cli/cli.h"
#include "codec/json.h"
#include "net/net.h"

#include <stdio.h>

enum { ARGS_MAX = 64 };

/* One option of a command. `value` names its argument ("DIR"); NULL = a switch. */
struct option {
    const char *name, *value, *help;
};

struct cli;

struct command {
    const char *name;             /* "run", "model show" */
    const char *args;             /* "FILE" */
    const char *summary;          /* one line */
    const char *example;          /* what to type, or NULL */
    const struct option *options; /* ends with name NULL; may be NULL */
    int min_args, max_args;       /* positional; max -1 = any number */
    int (*fn)(struct cli *c, struct err *err);
};

struct cli {
    const struct command *command;
    const struct cli_hooks *hooks;
    struct arena *arena;
    const char *args[ARGS_MAX];
    int n_args;
    struct {
        const char *name, *value;
    } given[ARGS_MAX]; /* options as typed, in order */
    int n_given;
    bool json;
    bool color; /* of standard output */
    bool live;  /* standard output is a terminal that can be redrawn */
    char *url, *token;
};

extern const struct command commands[];
extern const size_t command_count;

/* args.c */
int cli_parse(struct cli *c, int argc, char **argv, struct err *err);
const char *cli_option(const struct cli *c, const char *name); /* the last one given, or NULL */
bool cli_switch(const struct cli *c, const char *name);
int cli_option_i64(const struct cli *c, const char *name, int64_t fallback, int64_t *ret,
                   struct err *err);
const char *cli_data_dir(const struct cli *c);

/* client.c: one call to the server; the result is a new reference. */
int cli_connect(struct cli *c,
                struct err *err); /* fills url and token; the calls do it by themselves */
int cli_get(struct cli *c, json_t **ret, struct err *err, const char *fmt, ...) PRINTF(4, 5);
int cli_send(struct cli *c, const char *method, const json_t *body, json_t **ret, struct err *err,
             const char *fmt, ...) PRINTF(6, 7);
int cli_upload(struct cli *c, const char *path, char ret_digest[65], struct err *err);

/* print.c */
#define BOLD "1"
#define DIM "2"
#define RED "31"
#define GREEN "32"
#define YELLOW "33"
#define CYAN "36"
const char *paint(const struct cli *c, const char *code); /* "" without colours */
const char *unpaint(const struct cli *c);
/* Rows of an array as a table: each column has a heading, the member of the row it shows, and a
 * function that prints one cell. The usual ones are below; a noun's file may bring its own. */
typedef void (*cell_fn)(const struct cli *c, const json_t *row, const char *member,
                        struct buf *out);
struct column {
    const char *heading, *member;
    cell_fn cell;
};
void cell_text(const struct cli *c, const json_t *row, const char *member, struct buf *out);
void cell_count(const struct cli *c, const json_t *row, const char *member, struct buf *out);
void cell_bytes(const struct cli *c, const json_t *row, const char *member, struct buf *out);
void cell_ago(const struct cli *c, const json_t *row, const char *member, struct buf *out);
void cell_status(const struct cli *c, const json_t *row, const char *member, struct buf *out);
void print_table(const struct cli *c, const json_t *rows, const struct column *columns, size_t n,
                 const char *empty_hint);
void print_json(const json_t *j);
void print_duration(struct buf *out, int64_t ms);
void print_ago(struct buf *out, int64_t unix_ms);
void print_count(struct buf *out, int64_t n); /* 336,776 */
void print_bytes(struct buf *out, int64_t n);
const char *status_mark(const struct cli *c, const char *status); /* ✓ ✗ ● ○, painted */
void print_err(const struct err *err); /* "error: …" and "hint: …" on stderr */
size_t text_width(str s);              /* columns on a terminal: code points, escapes not counted */

/* The commands, each in the file of its noun. */
int cmd_up(struct cli *c, struct err *err);
int cmd_run(struct cli *c, struct err *err);
int cmd_status(struct cli *c, struct err *err);
int cmd_data_list(struct cli *c, struct err *err);
int cmd_data_show(struct cli *c, struct err *err);
int cmd_data_ingest(struct cli *c, struct err *err);
int cmd_runs_list(struct cli *c, struct err *err);
int cmd_runs_show(struct cli *c, struct err *err);
int cmd_runs_cancel(struct cli *c, struct err *err);
int cmd_logs(struct cli *c, struct err *err);
int cmd_model_list(struct cli *c, struct err *err);
int cmd_model_show(struct cli *c, struct err *err);
int cmd_model_alias(struct cli *c, struct err *err);
int cmd_endpoint_list(struct cli *c, struct err *err);
int cmd_endpoint_show(struct cli *c, struct err *err);
int cmd_endpoint_deploy(struct cli *c, struct err *err);
int cmd_endpoint_remove(struct cli *c, struct err *err);
int cmd_predict(struct cli *c, struct err *err);
int cmd_token_list(struct cli *c, struct err *err);
int cmd_token_create(struct cli *c, struct err *err);
int cmd_token_revoke(struct cli *c, struct err *err);
int cmd_token_link(struct cli *c, struct err *err);
int cmd_doctor(struct cli *c, struct err *err);
int cmd_version(struct cli *c, struct err *err);
int cmd_completion(struct cli *c, struct err *err);
int cmd_help(struct cli *c, struct err *err);

/* run.c: submits a pipeline text whose files lie in dir, and follows it to its end. */
int run_and_follow(struct cli *c, const char *file, const char *dir, str yaml, const json_t *params,
                   bool detach, struct err *err);

#endif
