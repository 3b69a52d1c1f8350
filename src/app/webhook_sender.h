/* Calls the webhooks of jobs that have ended: a thread that takes them from the store's outbox and makes
 * several calls at the same time. A call is made again, after longer and longer pauses, until the receiver
 * answers 2xx (done), 410 (it wants no more) or as often as is allowed. It may happen that a receiver is told
 * twice. */
#ifndef NST_APP_WEBHOOK_SENDER_H
#define NST_APP_WEBHOOK_SENDER_H

#include "webhook_call.h"

#include "nst/jobs.h"
#include "nst/log.h"
#include "nst/store.h"

typedef struct nst_webhook_sender nst_webhook_sender;

/* Starts the thread. All that is given must outlive the sender. NST_NO_MEMORY, NST_IO, NST_INTERNAL. */
nst_status nst_webhook_sender_create(const nst_webhook_options *options, nst_store *store, nst_jobs *jobs,
    nst_log *log, nst_webhook_sender **out, nst_error *err);

/* Stops within about a second: calls that have not been answered by then are made again by the next sender.
 * Accepts NULL. */
void nst_webhook_sender_destroy(nst_webhook_sender *sender);

#endif
