/* A store in a folder of its own, and shorthand for filling it. */
#ifndef NST_TEST_STORE_SUPPORT_H
#define NST_TEST_STORE_SUPPORT_H

#include "nst/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { TEST_TTL_MS = 60000, TEST_LEASE_MS = 60000, TEST_MANY = 1000000 };

typedef struct test_place {
  char folder[64];
  char path[96]; /* of the database, in the folder */
  char url[128];
  nst_store *store;
} test_place;

/* A cmocka fixture: an empty folder with an open store; it removes the folder at the end. */
int test_place_setup(void **state);
int test_place_teardown(void **state);

/* Closes and opens the store again. */
void test_reopen(test_place *place);

/* Runs SQL on the file by another connection, for things that the store does not do by itself. */
void test_sql(const test_place *place, const char *sql);
/* The first value of a query by another connection. */
int64_t test_sql_integer(const test_place *place, const char *sql);

/* A job with the content "content of <options>" and two styles, "first style" and "". */
void test_insert(nst_store *store, const char *options, char id[NST_ID_SIZE]);
nst_status test_try_insert(
    nst_store *store, const char *options, int max_queued, nst_job *out, nst_error *err);

/* The job as it is; it must be there. Release it. */
nst_job test_get(nst_store *store, const char *id);
nst_job_state test_state(nst_store *store, const char *id);

/* Claims the oldest job, which must be there; returns its lease. */
int64_t test_claim(nst_store *store, char id[NST_ID_SIZE]);

/* Ends a run as succeeded with a PNG of `size` bytes. */
nst_status test_succeed(nst_store *store, const char *id, int64_t lease, size_t size, nst_error *err);

/* Whether the numbers that are kept are those that counting gives. */
void assert_tallies(const test_place *place);

/* Whether a picture is there, with these bytes. */
void assert_picture(nst_store *store, const char *id, const char *role, const char *bytes);
void assert_no_picture(nst_store *store, const char *id, const char *role);

#endif
