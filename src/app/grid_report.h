/* The --report file of a sheet. */
#ifndef NST_APP_GRID_REPORT_H
#define NST_APP_GRID_REPORT_H

#include "grid_run.h"
#include "report.h"

/* `facts->run` is not used: what a cell took stands in `cells`, an object for each that was finished. Losses
 * that are not finite become null. NST_NO_MEMORY, NST_IO, NST_NO_SPACE. */
nst_status nst_grid_report_write(
    const char *path, const nst_grid_run *run, const nst_report_facts *facts, nst_error *err);

#endif
