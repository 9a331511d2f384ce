/* SPDX-License-Identifier: Apache-2.0
 *
 * One line per event on standard error: time level event key=value …
 *
 * Only roots of work (start-up, request, run, step) log. Everything below returns an err. The
 * format string spells the pairs: log_info("run_started", "run=%s steps=%zu", id, n). Control
 * characters in the result are replaced, so a logged name cannot forge a line. Any thread; a line
 * is one write.
 */
#ifndef TENON_BASE_LOG_H
#define TENON_BASE_LOG_H

#include "base/mem.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_SILENT };

void log_set_level(enum log_level level);
void log_line(enum log_level level, const char *event, const char *fmt, ...) PRINTF(3, 4);

#define log_debug(event, ...) log_line(LOG_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...) log_line(LOG_INFO, event, __VA_ARGS__)
#define log_warn(event, ...) log_line(LOG_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_line(LOG_ERROR, event, __VA_ARGS__)

#endif
