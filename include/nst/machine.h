/* What this process may use of the machine: of cores and memory as much as there is, as the scheduler lets it
 * and as the control groups it is in (Linux cgroups of version 1 and 2) and those above them leave. Part of
 * base. All functions are thread-safe and read the system's files anew.
 */
#ifndef NST_MACHINE_H
#define NST_MACHINE_H

#include <stddef.h>

/* In all of them `root` stands before the path of every file read: "" for the system's own. */

/* Cores to compute on, at least 1. A group's share of processor time that is no whole number of cores is
 * rounded up. */
int nst_machine_cores(const char *root);

/* Bytes of memory: the physical memory or the least of the groups' limits, whatever others use of it. */
size_t nst_machine_memory(const char *root);

/* Bytes of memory that this process occupies at the moment, files it has mapped included; 0 where the system
 * does not tell. */
size_t nst_machine_resident(const char *root);

#endif
