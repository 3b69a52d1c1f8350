/* Follows jobs over HTTP. */
#ifndef NST_TEST_FOLLOW_H
#define NST_TEST_FOLLOW_H

#include "harness.h"

void pause_ms(int ms);
/* Seconds of a clock that never goes back. */
double now(void);

/* Connects and asks for "/v1/jobs/ID" and `tail`. */
int ask(const test_server *server, const char *method, const char *id, const char *tail, const char *headers);
/* The same with GET, and reads the answer. */
test_answer get(const test_server *server, const char *id, const char *tail, const char *headers);

/* True when nothing arrives for a moment. */
bool is_silent(int fd);
/* Checks the state of the job that is answered. */
void assert_state(test_answer *answer, const char *state);

/* How many wait or stream, and until it is so many. */
int count_followers(test_server *server);
void await_followers(test_server *server, int count);

#endif
