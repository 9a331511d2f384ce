/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether storage can still be trusted. Any thread; the flag is read without the lock. */
#include "store/store_int.h"

#include <stdio.h>
#include <string.h>

void health_init(struct health *h)
{
    pthread_mutex_init(&h->lock, NULL);
    atomic_init(&h->failed, false);
    h->reason[0] = 0;
}

void health_destroy(struct health *h)
{
    pthread_mutex_destroy(&h->lock);
}

void health_fail(struct health *h, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    pthread_mutex_lock(&h->lock);
    if (!atomic_load(&h->failed)) {
        vsnprintf(h->reason, sizeof(h->reason), fmt, ap);
        atomic_store(&h->failed, true);
    }
    pthread_mutex_unlock(&h->lock);
    va_end(ap);
}

bool health_failed(struct health *h, char reason[256])
{
    if (!atomic_load(&h->failed))
        return false;
    if (reason) {
        pthread_mutex_lock(&h->lock);
        memcpy(reason, h->reason, sizeof(h->reason));
        pthread_mutex_unlock(&h->lock);
    }
    return true;
}

int health_check(struct health *h, struct err *err)
{
    char reason[256];
    if (!health_failed(h, reason))
        return 0;
    return err_hint(err_set(err, E_READONLY, "storage is read-only: %s", reason), err,
                    "check the disk and its logs, then restart the server");
}
