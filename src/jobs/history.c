/* The losses of a job: in memory while it runs, with its pictures afterwards. */
#include "internal.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* In the store: a mark, then for each entry the number of the evaluation and the four losses' bits, each 64
 * bits, little-endian. Jobs of earlier versions have no mark, and three losses: there was no tv_loss. */
enum { VALUES = 5, VALUES_BEFORE = 4, WORD = 8, EVALUATIONS_MAX = 10000000 };

static const uint64_t mark = UINT64_C(0x326c74736968746e); /* no number of an evaluation */

void nst_job_history_init(nst_job_history *history) {
  *history = (nst_job_history){NULL, 0};
}

void nst_job_history_release(nst_job_history *history) {
  if (!history) return;
  free(history->losses);
  nst_job_history_init(history);
}

static uint64_t bits_of(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static double value_of(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

nst_status nst_history_write(const nst_job_history *history, nst_buf *out, nst_error *err) {
  const uint64_t first = htole64(mark);
  nst_status status = nst_buf_reserve(out, ((size_t)history->count * VALUES + 1) * WORD, err);
  if (status == NST_OK && history->count > 0) status = nst_buf_append(out, &first, sizeof first, err);
  for (int i = 0; status == NST_OK && i < history->count; i++) {
    const nst_job_loss *l = &history->losses[i];
    const uint64_t entry[VALUES] = {htole64((uint64_t)l->evaluation), htole64(bits_of(l->loss)),
        htole64(bits_of(l->content_loss)), htole64(bits_of(l->style_loss)), htole64(bits_of(l->tv_loss))};
    status = nst_buf_append(out, entry, sizeof entry, err);
  }
  return status;
}

static bool is_marked(const void *data, size_t size) {
  uint64_t first = 0;
  if (size >= sizeof first) memcpy(&first, data, sizeof first);
  return le64toh(first) == mark;
}

nst_status nst_history_read(const void *data, size_t size, nst_job_history *out, nst_error *err) {
  nst_job_history_release(out);
  const bool marked = is_marked(data, size);
  const size_t entry_size = WORD * (size_t)(marked ? VALUES : VALUES_BEFORE);
  const char *at = (const char *)data + (marked ? WORD : 0);
  if (marked) size -= WORD;
  size_t count = size / entry_size;
  if (size % entry_size != 0 || count > EVALUATIONS_MAX)
    return nst_fail(err, NST_CORRUPT, "the stored losses have no whole number of entries");
  out->losses = calloc(count + 1, sizeof *out->losses);
  if (!out->losses) return nst_fail_memory(err, "the losses");
  for (size_t i = 0; i < count; i++) {
    uint64_t entry[VALUES] = {0};
    memcpy(entry, at + i * entry_size, entry_size);
    uint64_t evaluation = le64toh(entry[0]);
    if (evaluation < 1 || evaluation > EVALUATIONS_MAX ||
        (i > 0 && (int)evaluation <= out->losses[i - 1].evaluation)) {
      nst_job_history_release(out);
      return nst_fail(err, NST_CORRUPT, "the stored losses are out of order");
    }
    out->losses[i] = (nst_job_loss){(int)evaluation, value_of(le64toh(entry[1])), value_of(le64toh(entry[2])),
        value_of(le64toh(entry[3])), value_of(le64toh(entry[4]))};
    out->count = (int)i + 1;
  }
  return NST_OK;
}

nst_status nst_history_copy(const nst_job_history *from, nst_job_history *out, nst_error *err) {
  nst_job_history_release(out);
  out->losses = calloc((size_t)from->count + 1, sizeof *out->losses);
  if (!out->losses) return nst_fail_memory(err, "the losses");
  if (from->count > 0) memcpy(out->losses, from->losses, (size_t)from->count * sizeof *out->losses);
  out->count = from->count;
  return NST_OK;
}

void nst_run_remember_loss(nst_run *run, const nst_job_loss *loss) {
  nst_job_history *h = &run->history;
  while (h->count > 0 && h->losses[h->count - 1].evaluation >= loss->evaluation) h->count--;
  if (h->count == run->history_room) {
    int room = run->history_room > 0 ? run->history_room * 2 : 64;
    nst_job_loss *larger = realloc(h->losses, (size_t)room * sizeof *larger);
    if (!larger) return;
    h->losses = larger;
    run->history_room = room;
  }
  h->losses[h->count++] = *loss;
}

/* Of the run in memory. False when the job does not run here. */
static bool copy_live(
    nst_jobs *jobs, const char *id, nst_job_history *out, nst_status *status, nst_error *err) {
  (void)pthread_mutex_lock(&jobs->lock);
  const nst_run *run = nst_jobs_find_run(jobs, id, 0);
  if (run) *status = nst_history_copy(&run->history, out, err);
  (void)pthread_mutex_unlock(&jobs->lock);
  return run != NULL;
}

nst_status nst_jobs_history(nst_jobs *jobs, const char *id, nst_job_history *out, nst_error *err) {
  nst_job job;
  nst_buf bytes = NST_BUF_INIT;
  nst_status status = NST_OK;
  nst_job_init(&job);
  nst_job_history_release(out);
  /* Memory first: a run leaves it after its end is stored. */
  bool live = copy_live(jobs, id, out, &status, err);
  if (status == NST_OK) status = jobs->store->ops->get(jobs->store, id, &job, err);
  if (status == NST_OK && !live) {
    status = jobs->store->ops->read_picture(jobs->store, id, "history", &bytes, err);
    if (status == NST_OK) status = nst_history_read(bytes.data, bytes.size, out, err);
    if (status == NST_NOT_FOUND) {
      nst_error_clear(err);
      status = NST_OK;
    }
  }
  if (status != NST_OK) nst_job_history_release(out);
  nst_buf_release(&bytes);
  nst_job_release(&job);
  return status;
}
