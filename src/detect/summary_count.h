/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "summary.h"

/* Which crowd of keys of this kind the signal's client joins by it, if any; SUMMARY_CROWDS: none. */
enum summary_crowd_kind summary_crowd_of(enum summary_kind kind, const struct flow_signal *signal);

/* Whether anything of the signal counts for keys of this kind; all but SOURCE are alike, and PAIR is not asked. */
bool summary_is_counted(enum summary_kind kind, const struct flow_signal *signal);

/* Counts the signal into totals, cohorts, ages and what is recent; not into crowds and ports. */
void summary_count_signal(struct summary *summary, enum summary_kind kind, const struct flow_signal *signal);
