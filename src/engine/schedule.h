/* How many evaluations each stage of a stylisation gets, how much work that is, and how long it will take.
 * Internal to the engine; knows no clock. Work is counted as nst_evaluation_work has it.
 */
#ifndef NST_ENGINE_SCHEDULE_H
#define NST_ENGINE_SCHEDULE_H

#include "nst/engine.h"

typedef struct nst_schedule {
  int count;                   /* stages that were asked for */
  int last;                    /* 0-based: the last that is to be computed */
  double work[NST_MAX_STAGES]; /* of one evaluation */
  int planned[NST_MAX_STAGES]; /* evaluations; of stages behind `last` 0 */
  int made[NST_MAX_STAGES];
  double deadline; /* seconds since the begin of the job; 0: none */
  double rate;     /* seconds for each unit of work, of the newest evaluations; 0: not known yet */
  int told;        /* evaluations that it was told of */
  double seconds_told, work_told; /* of them, the older ones less and less */
  bool shortened;                 /* fewer are planned than were asked for */
} nst_schedule;

void nst_schedule_init(
    nst_schedule *schedule, const nst_stage *stages, int count, const nst_stylize_options *options);

/* Tells of an evaluation of `stage` that took `seconds`. */
void nst_schedule_add(nst_schedule *schedule, int stage, double seconds);

/* With a deadline and a rate: plans the stages from `stage` on anew, `elapsed` seconds after the begin. The
 * finest scales are left out where there would be no time for a few evaluations of them, and all that remain
 * are shortened alike. */
void nst_schedule_fit(nst_schedule *schedule, int stage, double elapsed);

/* Whether another evaluation of `stage` would end too late. */
bool nst_schedule_is_late(const nst_schedule *schedule, int stage, double elapsed);

/* 0..1, of the work that is planned. */
double nst_schedule_fraction(const nst_schedule *schedule);

/* Seconds to the end; negative while unknown. */
double nst_schedule_eta(const nst_schedule *schedule);

/* Evaluations of all stages. */
int nst_schedule_evaluations(const nst_schedule *schedule);

#endif
