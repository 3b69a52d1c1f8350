#include "webhook_schedule.h"

/* In seconds; the schedule that Standard Webhooks recommends. All of it takes three days. */
static const double pauses[] = {5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400};

enum { PAUSES = sizeof pauses / sizeof pauses[0], LONGEST_S = 86400 };

int64_t nst_webhook_pause_ms(int attempt, double pace, double random, int64_t retry_after_s) {
  int i = attempt < 1 ? 0 : attempt > PAUSES ? PAUSES - 1 : attempt - 1;
  int64_t pause = (int64_t)(pauses[i] * 1000 * pace * (1 + random / 5));
  int64_t asked = retry_after_s > LONGEST_S ? LONGEST_S : retry_after_s;
  return asked * 1000 > pause ? asked * 1000 : pause;
}
