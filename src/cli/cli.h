/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line: a client of the same HTTP API everyone has.
 *
 * One table of commands (commands.c) feeds dispatch, `tenon help`, completion and "did you mean".
 * Data goes to standard output, messages to standard error; `-o json` prints exactly what the API
 * answered; no prompts; NO_COLOR and a missing terminal switch colours and live redrawing off. Exit
 * codes are those of base/err.h: 0 done, 1 failed, 2 wrong usage or input, 3 not found, 4 not
 * allowed, 5 unavailable, 6 conflict.
 *
 * The server is found by --url or TENON_URL with TENON_TOKEN, else through the data directory
 * (--data, TENON_DATA, ./tenon-data), where a local server leaves server.json and owner.token.
 */
#ifndef TENON_CLI_CLI_H
#define TENON_CLI_CLI_H

#include "base/err.h"

struct up_options {
    const char *data_dir;
    const char *host; /* numeric, loopback */
    unsigned port;
};

/* What only the composition root can do. */
struct cli_hooks {
    int (*up)(const struct up_options *o, struct err *err); /* returns when stopped */
};

int cli_main(int argc, char **argv, const struct cli_hooks *hooks); /* the exit status */

#endif
