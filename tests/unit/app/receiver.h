/* A receiver of webhooks on a free port of 127.0.0.1, which answers as it is told. */
#ifndef NST_TEST_RECEIVER_H
#define NST_TEST_RECEIVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RECEIVER_CALLS = 64, RECEIVER_BYTES = 8192, RECEIVER_ANSWERS = 8 };

typedef struct received {
  char text[RECEIVER_BYTES]; /* the whole request, and a NUL */
  int64_t time_ns;           /* monotonic */
} received;

typedef struct receiver {
  int listener, port;
  pthread_t thread;
  bool started;
  int stop[2]; /* a pipe: closing its end ends the thread */

  /* The n-th call gets the n-th answer, and later ones the last; NULL: none, the connection stays open. */
  const char *answers[RECEIVER_ANSWERS];
  int answer_count;

  pthread_mutex_t lock; /* guards what follows */
  received calls[RECEIVER_CALLS];
  int count;
  int open[RECEIVER_CALLS], open_count; /* connections without an answer */
} receiver;

/* Takes a port, where connections are refused until the start. NULL when that fails. */
receiver *receiver_create(void);
void receiver_answer(receiver *r, const char *answer); /* adds one more, before the start */
void receiver_start(receiver *r);
void receiver_destroy(receiver *r);

int receiver_count(receiver *r);
int64_t receiver_time_ns(receiver *r, int call);

/* The value of a header of a call, copied; fails the test when it is not there. */
void receiver_header(receiver *r, int call, const char *name, char *out, size_t size);
/* The body of a call; the receiver's. */
const char *receiver_body(receiver *r, int call);

#endif
