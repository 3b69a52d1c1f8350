#include "handlers.h"

static const char *const none[] = {NULL};
static const char *const list[] = {"state", "limit", "cursor", NULL};
static const char *const format[] = {"format", NULL};

static const nst_route routes[] = {
    {NST_METHOD_POST, "/v1/jobs", none, NST_ROUTE_UPLOAD, nst_handle_submit, false},
    {NST_METHOD_GET, "/v1/jobs", list, NST_ROUTE_BLOCKING, nst_handle_list, false},
    {NST_METHOD_GET, "/v1/jobs/{id}", none, NST_ROUTE_QUICK, nst_handle_get_job, false},
    {NST_METHOD_DELETE, "/v1/jobs/{id}", none, NST_ROUTE_BLOCKING, nst_handle_remove, false},
    {NST_METHOD_POST, "/v1/jobs/{id}/cancel", none, NST_ROUTE_BLOCKING, nst_handle_cancel, false},
    {NST_METHOD_GET, "/v1/jobs/{id}/result", format, NST_ROUTE_BLOCKING, nst_handle_result, false},
    {NST_METHOD_GET, "/v1/jobs/{id}/preview", none, NST_ROUTE_BLOCKING, nst_handle_preview, false},
    {NST_METHOD_GET, "/v1/jobs/{id}/events", none, NST_ROUTE_QUICK, nst_handle_events, false},
    {NST_METHOD_GET, "/v1/jobs/{id}/history", none, NST_ROUTE_BLOCKING, nst_handle_history, false},
    {NST_METHOD_GET, "/v1/presets", none, NST_ROUTE_QUICK, nst_handle_presets, true},
    {NST_METHOD_GET, "/v1/limits", none, NST_ROUTE_BLOCKING, nst_handle_limits, true},
    {NST_METHOD_GET, "/healthz", none, NST_ROUTE_QUICK, nst_handle_health, true},
    {NST_METHOD_GET, "/readyz", none, NST_ROUTE_BLOCKING, nst_handle_ready, true},
    {NST_METHOD_GET, "/metrics", none, NST_ROUTE_METRICS, nst_handle_metrics, false},
};

const nst_router nst_routes = {routes, sizeof routes / sizeof routes[0]};
