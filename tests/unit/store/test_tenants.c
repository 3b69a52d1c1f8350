/* Whose turn it is, what a tenant may have, and keys that make a request count once. */
#include "support.h"

#include <stdio.h>
#include <string.h>

static nst_status try_draft(nst_store *store, const nst_job_draft *draft, nst_job *out, nst_error *err) {
  bool repeated = true;
  nst_status status = store->ops->insert(store, draft, TEST_MANY, out, &repeated, err);
  assert_false(repeated);
  return status;
}

static nst_job_draft draft_of(const char *tenant, int priority) {
  return (nst_job_draft){.tenant = tenant, .priority = priority, .options = "{}", .content = {"12345678", 8}};
}

static void insert(nst_store *store, const nst_job_draft *draft, char id[NST_ID_SIZE]) {
  nst_job job;
  nst_error err = NST_ERROR_INIT;
  nst_job_init(&job);
  if (try_draft(store, draft, &job, &err) != NST_OK) fail_msg("%s", err.detail);
  memcpy(id, job.id, NST_ID_SIZE);
  nst_job_release(&job);
}

/* The numbers kept by triggers are those that counting gives. */
static void assert_shares(const test_place *place) {
  assert_tallies(place);
  assert_int_equal(test_sql_integer(place,
                       "SELECT count(*) FROM tenants WHERE"
                       " queued <> (SELECT count(*) FROM jobs WHERE jobs.tenant = tenants.tenant"
                       "  AND state = 0 AND expired = 0)"
                       " OR running <> (SELECT count(*) FROM jobs WHERE jobs.tenant = tenants.tenant"
                       "  AND state = 1 AND expired = 0)"
                       " OR bytes <> (SELECT coalesce(sum(length(bytes)), 0) FROM pictures JOIN jobs"
                       "  ON job = sequence WHERE jobs.tenant = tenants.tenant AND role <> 'checkpoint')"),
      0);
}

/* Claims all that wait and expects them in this order; positions told before must agree with it. */
static void expect_order(nst_store *store, char (*ids)[NST_ID_SIZE], const char *order) {
  for (size_t i = 0; order[i]; i++) {
    int ahead = -1;
    nst_job job = test_get(store, ids[order[i] - 'a']);
    assert_int_equal(store->ops->count_ahead(store, &job, &ahead, NULL), NST_OK);
    if (ahead != (int)i) fail_msg("job %c is told place %d, not %d", order[i], ahead, (int)i);
    nst_job_release(&job);
  }
  for (size_t i = 0; order[i]; i++) {
    char id[NST_ID_SIZE];
    (void)test_claim(store, id);
    if (strcmp(id, ids[order[i] - 'a']) != 0) fail_msg("at turn %d it is not job %c", (int)i, order[i]);
  }
}

static void tenants_take_turns(void **state) {
  test_place *place = *state;
  char ids[8][NST_ID_SIZE];
  static const char *const owners[] = {"ann", "ann", "ann", "ann", "bob", "bob", "cay"};
  for (int i = 0; i < 7; i++) {
    nst_job_draft draft = draft_of(owners[i], 0);
    insert(place->store, &draft, ids[i]);
  }
  expect_order(place->store, ids, "aegbfcd");
  assert_shares(place);
}

static void who_runs_least_comes_first(void **state) {
  nst_store *store = ((test_place *)*state)->store;
  char ids[6][NST_ID_SIZE], id[NST_ID_SIZE];
  const nst_job_draft ann = draft_of("ann", 0), bob = draft_of("bob", 0);
  insert(store, &ann, ids[0]);
  insert(store, &ann, ids[1]);
  (void)test_claim(store, id);
  (void)test_claim(store, id);
  insert(store, &ann, ids[2]);
  insert(store, &bob, ids[3]);
  insert(store, &bob, ids[4]);
  insert(store, &ann, ids[5]);
  expect_order(store, ids, "decf");
}

static void a_higher_priority_comes_first(void **state) {
  test_place *place = *state;
  char ids[6][NST_ID_SIZE];
  static const struct {
    const char *tenant;
    int priority;
  } jobs[] = {{"ann", 0}, {"ann", 5}, {"bob", 0}, {"bob", 9}, {"ann", 5}, {"bob", 5}};
  for (int i = 0; i < 6; i++) {
    nst_job_draft draft = draft_of(jobs[i].tenant, jobs[i].priority);
    insert(place->store, &draft, ids[i]);
    nst_job job = test_get(place->store, ids[i]);
    assert_int_equal(job.priority, jobs[i].priority);
    assert_string_equal(job.tenant, jobs[i].tenant);
    nst_job_release(&job);
  }
  char id[NST_ID_SIZE];
  (void)test_claim(place->store, id);
  assert_string_equal(id, ids[3]);
  expect_order(place->store, ids, "bfeca");
}

static void one_tenant_is_served_in_order(void **state) {
  nst_store *store = ((test_place *)*state)->store;
  char ids[5][NST_ID_SIZE];
  static const int priorities[] = {0, 3, 0, 3, 9};
  for (int i = 0; i < 5; i++) {
    nst_job_draft draft = draft_of(NULL, priorities[i]);
    insert(store, &draft, ids[i]);
  }
  expect_order(store, ids, "ebdac");
}

static void a_tenant_runs_no_more_than_allowed(void **state) {
  test_place *place = *state;
  nst_store *store = place->store;
  char ids[4][NST_ID_SIZE], id[NST_ID_SIZE];
  nst_job job;
  nst_job_init(&job);
  nst_job_draft ann = draft_of("ann", 9), bob = draft_of("bob", 0);
  ann.quota.max_running = 1;
  insert(store, &ann, ids[0]);
  insert(store, &ann, ids[1]);
  insert(store, &bob, ids[2]);
  int64_t lease = test_claim(store, id);
  assert_string_equal(id, ids[0]);
  (void)test_claim(store, id);
  assert_string_equal(id, ids[2]);
  assert_int_equal(store->ops->claim(store, "x", TEST_LEASE_MS, &job, NULL), NST_NOT_FOUND);
  assert_int_equal(test_succeed(store, ids[0], lease, 10, NULL), NST_OK);
  (void)test_claim(store, id);
  assert_string_equal(id, ids[1]);
  assert_shares(place);
  nst_job_release(&job);
}

static void queued_jobs_are_limited_by_quota(void **state) {
  test_place *place = *state;
  nst_store *store = place->store;
  char id[NST_ID_SIZE];
  nst_job job;
  nst_error err = NST_ERROR_INIT;
  nst_job_init(&job);
  nst_job_draft ann = draft_of("ann", 0), bob = draft_of("bob", 0);
  ann.quota.max_queued = bob.quota.max_queued = 2;
  insert(store, &ann, id);
  insert(store, &ann, id);
  assert_int_equal(try_draft(store, &ann, &job, &err), NST_QUOTA);
  assert_string_equal(err.limit, "2 jobs");
  insert(store, &bob, id);
  (void)test_claim(store, NULL); /* one that runs does not wait any more */
  insert(store, &ann, id);
  assert_int_equal(try_draft(store, &ann, &job, NULL), NST_QUOTA);
  assert_shares(place);
  nst_job_release(&job);
}

static void stored_bytes_are_limited_by_quota(void **state) {
  test_place *place = *state;
  nst_store *store = place->store;
  char first[NST_ID_SIZE], second[NST_ID_SIZE];
  nst_job job;
  nst_usage usage;
  nst_error err = NST_ERROR_INIT;
  nst_job_init(&job);
  nst_job_draft ann = draft_of("ann", 0); /* 8 bytes */
  ann.quota.max_bytes = 100;
  insert(store, &ann, first);
  insert(store, &ann, second);
  int64_t lease = test_claim(store, NULL);
  assert_int_equal(test_succeed(store, first, lease, 80, NULL), NST_OK); /* and a preview of 9 */
  assert_int_equal(store->ops->get_usage(store, "ann", &usage, NULL), NST_OK);
  assert_int_equal(usage.queued, 1);
  assert_int_equal(usage.running, 0);
  assert_int_equal(usage.bytes, 8 + 8 + 80 + 9);
  assert_int_equal(try_draft(store, &ann, &job, &err), NST_QUOTA);
  assert_string_equal(err.limit, "100 bytes");
  assert_shares(place);
  assert_int_equal(store->ops->remove(store, first, NULL), NST_OK);
  insert(store, &ann, first);
  assert_shares(place);
  assert_int_equal(store->ops->get_usage(store, "nobody", &usage, NULL), NST_OK);
  assert_int_equal(usage.queued + usage.running + usage.bytes, 0);
  nst_job_release(&job);
}

static void masks_are_stored_and_counted_with_the_pictures(void **state) {
  test_place *place = *state;
  nst_store *store = place->store;
  char id[NST_ID_SIZE], plain[NST_ID_SIZE];
  nst_job job;
  nst_usage usage;
  nst_job_init(&job);
  const nst_blob styles[] = {{"one", 3}, {"other", 5}}, masks[] = {{"first", 5}, {"second", 6}};
  nst_job_draft draft = draft_of("ann", 0);
  draft.styles = styles;
  draft.style_count = 2;
  insert(store, &draft, plain);
  assert_no_picture(store, plain, "content_mask");
  assert_no_picture(store, plain, "style_mask0");
  draft.content_mask = (nst_blob){"mask", 4};
  draft.style_masks = masks;
  insert(store, &draft, id);
  assert_picture(store, id, "content_mask", "mask");
  assert_picture(store, id, "style_mask0", "first");
  assert_picture(store, id, "style_mask1", "second");
  assert_int_equal(store->ops->get_usage(store, "ann", &usage, NULL), NST_OK);
  assert_int_equal(usage.bytes, 2 * (8 + 3 + 5) + 4 + 5 + 6);
  draft.quota.max_bytes = usage.bytes + 8 + 3 + 5 + 4 + 5 + 6 - 1;
  assert_int_equal(try_draft(store, &draft, &job, NULL), NST_QUOTA);
  assert_shares(place);
  assert_int_equal(store->ops->remove(store, id, NULL), NST_OK);
  assert_no_picture(store, id, "content_mask");
  assert_int_equal(test_sql_integer(place, "SELECT count(*) FROM pictures WHERE role LIKE '%mask%'"), 0);
  assert_int_equal(store->ops->get_usage(store, "ann", &usage, NULL), NST_OK);
  assert_int_equal(usage.bytes, 8 + 3 + 5);
  assert_shares(place);
  nst_job_release(&job);
}

static void shares_are_kept_through_all_changes(void **state) {
  test_place *place = *state;
  nst_store *store = place->store;
  char ids[6][NST_ID_SIZE];
  nst_job job;
  int count;
  nst_job_init(&job);
  for (int i = 0; i < 6; i++) {
    nst_job_draft draft = draft_of(i % 2 ? "ann" : "bob", 0);
    insert(store, &draft, ids[i]);
  }
  int64_t lease = test_claim(store, ids[0]);
  const nst_output_picture saved[] = {{"checkpoint", {"0123456789", 10}}, {"preview", {"abc", 3}}};
  assert_int_equal(store->ops->save(store, ids[0], lease, saved, 2, NULL), NST_OK);
  assert_shares(place);
  assert_int_equal(store->ops->release(store, ids[0], lease, 1000, NULL), NST_OK);
  assert_shares(place);
  lease = test_claim(store, ids[1]);
  assert_int_equal(test_succeed(store, ids[1], lease, 30, NULL), NST_OK);
  assert_int_equal(store->ops->cancel(store, ids[4], 1000, &job, NULL), NST_OK);
  (void)test_claim(store, ids[2]);
  assert_int_equal(store->ops->recover(store, true, 1, 1000, &count, NULL), NST_OK);
  assert_shares(place);
  assert_int_equal(store->ops->expire(store, INT64_MAX / 2, TEST_TTL_MS, &count, NULL), NST_OK);
  assert_int_equal(count, 3);
  assert_shares(place);
  nst_job_release(&job);
}

/* ---- Idempotency keys */

static nst_status keyed(nst_store *store, const char *tenant, const char *key, const char *digest,
    nst_job *out, bool *repeated, nst_error *err) {
  nst_job_draft draft = draft_of(tenant, 0);
  draft.idempotency_key = key;
  draft.idempotency_digest = digest;
  return store->ops->insert(store, &draft, TEST_MANY, out, repeated, err);
}

static void a_key_names_one_job(void **state) {
  test_place *place = *state;
  nst_store *store = place->store;
  nst_job first, again, other;
  nst_error err = NST_ERROR_INIT;
  bool repeated = true;
  nst_job_init(&first);
  nst_job_init(&again);
  nst_job_init(&other);
  assert_int_equal(store->ops->find_key(store, "ann", "k", "d", &again, NULL), NST_NOT_FOUND);
  assert_int_equal(keyed(store, "ann", "k", "d", &first, &repeated, NULL), NST_OK);
  assert_false(repeated);
  assert_int_equal(keyed(store, "ann", "k", "d", &again, &repeated, NULL), NST_OK);
  assert_true(repeated);
  assert_string_equal(again.id, first.id);
  assert_int_equal(store->ops->find_key(store, "ann", "k", "d", &again, NULL), NST_OK);
  assert_string_equal(again.id, first.id);
  assert_int_equal(keyed(store, "ann", "k", "e", &other, &repeated, &err), NST_INVALID);
  assert_string_equal(err.field, "Idempotency-Key");
  assert_int_equal(store->ops->find_key(store, "ann", "k", "e", &other, NULL), NST_INVALID);
  /* Another tenant's key, and another key, are others. */
  assert_int_equal(keyed(store, "bob", "k", "e", &other, &repeated, NULL), NST_OK);
  assert_false(repeated);
  assert_int_equal(keyed(store, "ann", "l", "e", &other, &repeated, NULL), NST_OK);
  assert_false(repeated);
  assert_int_equal(test_sql_integer(place, "SELECT count(*) FROM jobs"), 3);
  nst_job_release(&first);
  nst_job_release(&again);
  nst_job_release(&other);
}

static void a_key_lives_as_long_as_its_job(void **state) {
  test_place *place = *state;
  nst_job first, again;
  bool repeated = true;
  int count;
  nst_job_init(&first);
  nst_job_init(&again);
  assert_int_equal(keyed(place->store, "", "k", "d", &first, &repeated, NULL), NST_OK);
  test_reopen(place);
  nst_store *store = place->store;
  assert_int_equal(keyed(store, "", "k", "d", &again, &repeated, NULL), NST_OK);
  assert_true(repeated);
  assert_int_equal(store->ops->cancel(store, first.id, 1000, &again, NULL), NST_OK);
  assert_int_equal(keyed(store, "", "k", "d", &again, &repeated, NULL), NST_OK);
  assert_true(repeated);
  assert_int_equal(again.state, NST_JOB_CANCELED);
  assert_int_equal(store->ops->expire(store, INT64_MAX / 2, INT64_MAX / 2, &count, NULL), NST_OK);
  assert_int_equal(count, 1);
  assert_int_equal(store->ops->find_key(store, "", "k", "d", &again, NULL), NST_NOT_FOUND);
  assert_int_equal(keyed(store, "", "k", "other", &again, &repeated, NULL), NST_OK);
  assert_false(repeated);
  assert_int_equal(store->ops->remove(store, again.id, NULL), NST_OK);
  assert_int_equal(store->ops->find_key(store, "", "k", "other", &again, NULL), NST_NOT_FOUND);
  nst_job_release(&first);
  nst_job_release(&again);
}

static void a_list_can_be_one_tenants(void **state) {
  nst_store *store = ((test_place *)*state)->store;
  char ids[4][NST_ID_SIZE];
  for (int i = 0; i < 4; i++) {
    nst_job_draft draft = draft_of(i % 2 ? "ann" : "bob", 0);
    insert(store, &draft, ids[i]);
  }
  for (int any = 0; any < 2; any++) {
    nst_job *jobs = NULL;
    int count = 0;
    const nst_job_filter filter = {
        .tenant = "ann", .any_state = any, .state = NST_JOB_QUEUED, .before = 4, .limit = 9};
    assert_int_equal(store->ops->list(store, &filter, &jobs, &count, NULL), NST_OK);
    assert_int_equal(count, 1);
    assert_string_equal(jobs[0].id, ids[1]);
    nst_job_list_free(jobs, count);
  }
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, test_place_setup, test_place_teardown)
  const struct CMUnitTest tests[] = {
      TEST(masks_are_stored_and_counted_with_the_pictures),
      TEST(tenants_take_turns),
      TEST(who_runs_least_comes_first),
      TEST(a_higher_priority_comes_first),
      TEST(one_tenant_is_served_in_order),
      TEST(a_tenant_runs_no_more_than_allowed),
      TEST(queued_jobs_are_limited_by_quota),
      TEST(stored_bytes_are_limited_by_quota),
      TEST(shares_are_kept_through_all_changes),
      TEST(a_key_names_one_job),
      TEST(a_key_lives_as_long_as_its_job),
      TEST(a_list_can_be_one_tenants),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
