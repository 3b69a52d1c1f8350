#include "work.h"

#include "watch.h"

enum { DECODING_MAX = 2 }; /* of the pool's four threads */

static void start_waiting(nst_service *service);

static void run(uv_work_t *work) {
  nst_request *r = work->data;
  r->route->handler(r);
}

static void after(uv_work_t *work, int status) {
  nst_request *r = work->data;
  nst_service *service = r->service;
  (void)status; /* nothing cancels work */
  service->working--;
  if (r->route->kind == NST_ROUTE_UPLOAD) service->decoding--;
  if (!nst_wait_begin(r, true)) MHD_resume_connection(r->mhd);
  start_waiting(service);
  nst_server_run(service);
}

static void start(nst_request *r) {
  nst_service *service = r->service;
  r->work.data = r;
  service->working++;
  if (r->route->kind == NST_ROUTE_UPLOAD) service->decoding++;
  (void)uv_queue_work(service->loop, &r->work, run, after); /* fails only without a function to call */
}

static void start_waiting(nst_service *service) {
  while (service->waiting && service->decoding < DECODING_MAX) {
    nst_request *r = service->waiting;
    service->waiting = r->next_waiting;
    if (!service->waiting) service->waiting_tail = &service->waiting;
    start(r);
  }
}

void nst_work_start(nst_request *r) {
  MHD_suspend_connection(r->mhd);
  if (r->route->kind != NST_ROUTE_UPLOAD) {
    start(r);
    return;
  }
  r->next_waiting = NULL;
  *r->service->waiting_tail = r;
  r->service->waiting_tail = &r->next_waiting;
  start_waiting(r->service);
}

void nst_work_refuse_waiting(nst_service *service) {
  nst_error err;
  (void)nst_fail(&err, NST_UNAVAILABLE, "the server is stopping");
  while (service->waiting) {
    nst_request *r = service->waiting;
    service->waiting = r->next_waiting;
    nst_request_fail(r, &err);
    MHD_resume_connection(r->mhd);
  }
  service->waiting_tail = &service->waiting;
}
