/* When a webhook that could not be delivered is tried again. */
#ifndef NST_APP_WEBHOOK_SCHEDULE_H
#define NST_APP_WEBHOOK_SCHEDULE_H

#include <stdint.h>

/* Milliseconds to wait after the attempt of this number, the first being 1: from seconds to a day, growing,
 * times `pace` (1; tests have less time). `random`, 0..1, adds up to a fifth, so that calls that failed
 * together do not come together again. `retry_after_s` is what the receiver asked for, 0 for nothing: it
 * prolongs the wait, to a day at most. */
int64_t nst_webhook_pause_ms(int attempt, double pace, double random, int64_t retry_after_s);

#endif
