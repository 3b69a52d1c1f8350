/* Errors as HTTP answers (RFC 9457). The one place where an nst_status becomes an HTTP status. */
#ifndef NST_SERVICE_PROBLEM_H
#define NST_SERVICE_PROBLEM_H

#include "answer.h"

#include "nst/status.h"

struct cJSON;

/* The HTTP status of a failure. Every status but NST_OK has one. */
int nst_problem_status(nst_status status);

/* True for failures that pass by themselves: their answers carry Retry-After. */
bool nst_problem_is_temporary(nst_status status);

/* True when `err` speaks of the server's inside (files, bugs): clients get a general sentence, the log gets
 * the real one. */
bool nst_problem_is_internal(nst_status status);

/* A new problem object; `request_id` may be NULL. `reveal`: err's sentence is meant for clients even if the
 * failure is internal. NULL without memory. */
struct cJSON *nst_problem_json(const nst_error *err, bool reveal, const char *request_id);

/* Makes `answer` the problem that `err` tells of. `retry_after` (seconds) is used where it is temporary. */
void nst_problem_answer(nst_answer *answer, const nst_error *err, const char *request_id, int retry_after);

/* What only HTTP can get wrong and no nst_status stands for: 405, 408, 411, 414, 416, 417. */
void nst_problem_http(nst_answer *answer, int status, const char *detail, const char *request_id);

#endif
