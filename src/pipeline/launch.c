/* SPDX-License-Identifier: Apache-2.0
 *
 * Before an attempt: its inputs are pinned to versions, attempt.json is written, its process is
 * started. Runs on the engine's pool, after the attempt's row has been committed. A crash in here
 * leaves an attempt that never began, which the next server finds out and repeats for free.
 */
#include "pipeline/engine_int.h"

#include "data/data.h"
#include "sys/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void job_free(struct job *j)
{
    free(j->dir);
    free(j->attempt_id);
    free(j->step);
    free(j->kind);
    free(j->project);
    free(j->pipeline);
    free(j->url);
    json_decref(j->plan);
    json_decref(j->attempt);
    json_decref(j->pins);
    free(j);
}

char *attempt_dir(const char *data_dir, const char *run, const char *step, uint32_t attempt)
{
    return xasprintf("%s/runs/%s/%s/%u", data_dir, run, step, attempt);
}

static int pin_inputs(const struct job *j, struct err *err)
{
    json_t *inputs = json_object();
    const json_t *pin;
    size_t i;
    int rc = 0;
    json_array_foreach (j->pins, i, pin) {
        json_t *snapshot = NULL;
        rc = data_snapshot(j->config->data_dir, j->project, json_s(pin, "dataset"),
                           json_i(pin, "version"), &snapshot, err);
        if (rc)
            break;
        json_object_set_new(inputs, json_s(pin, "alias"), snapshot);
    }
    json_object_set_new(j->attempt, "inputs", inputs);
    return rc;
}

/* Only steps that may call back get a token, so that most attempts hold no secret at all. */
static int add_token(const struct job *j, struct err *err)
{
    char token[64] = "";
    bool calls = strcmp(j->kind, "deploy") == 0 || strcmp(j->kind, "run") == 0;
    int rc = 0;
    if (calls && j->config->attempt_token)
        rc = j->config->attempt_token(j->config->ctx, j->project, token, err);
    json_object_set_new(j->attempt, "token", json_string(token));
    return rc;
}

/* Not synced: an attempt that a power cut interrupts is lost with or without this file. */
static int write_attempt(const struct job *j, struct err *err)
{
    CLEANUP(freep) char *path = fs_join(j->dir, "attempt.json");
    CLEANUP(freep) char *text = json_text(j->attempt);
    CLEANUP(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, errno, "create %s", path);
    return fs_write_all(fd, text, strlen(text), err);
}

static int launch(const struct job *j, struct err *err)
{
    int rc = fs_mkdirs(j->dir, 0700, err);
    if (!rc)
        rc = pin_inputs(j, err);
    if (!rc)
        rc = add_token(j, err);
    if (!rc)
        rc = write_attempt(j, err);
    return rc ? rc : j->executor->start(j->executor_self, j->dir, err);
}

void launch_job(void *job)
{
    struct job *j = job;
    struct err err = {0};
    struct message m = {.kind = MSG_STARTED, .dir = xstrdup(j->dir)};
    if (launch(j, &err)) {
        m.kind = MSG_FINISHED;
        m.outcome = OUTCOME_FAILED;
        m.finish.error = error_json(&err);
        m.finish.exit.code = -1;
    }
    engine_post(j->engine, &m);
    job_free(j);
}
