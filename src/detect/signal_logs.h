/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "summary_set.h"

/*
 * What several sources were told and no table has counted yet. Sources write logs of their own, all at the same time;
 * then the parts of the tables read all logs, again at the same time, each counting what concerns its own keys.
 */
struct signal_log;

struct signal_logs {
	const struct summary_set *set;          /* borrowed */
	uint64_t until_ns;                      /* what was told of later is not counted yet */
	struct signal_log *logs[SUMMARY_PARTS]; /* by source; as many as there are parts, none where that is one */
	bool is_settled[SUMMARY_PARTS];         /* the part has counted what the logs hold */
	atomic_flag is_busy[SUMMARY_PARTS];     /* a full log is being counted into the part */
};

/* -1 when memory is short. */
int signal_logs_init(struct signal_logs *logs, const struct summary_set *set, size_t memory_bytes);
void signal_logs_fini(struct signal_logs *logs);

/* Whether an alarm is open about a service or its host, as the engine found out when its alarms had that version. */
struct alarm_note {
	uint64_t version; /* 0 = not yet */
	bool is_open;
};

/* What does not fit into the log of the source is counted at once. Returns the source's note about the service. */
struct alarm_note *signal_logs_add(struct signal_logs *logs, unsigned source, const struct flow_signal *signal);

/* The part counts what the logs hold for it, in the order of time, and where that is the same, of packets. */
void signal_logs_settle(struct signal_logs *logs, unsigned part);

/* All parts that have not counted it do so, in one go; then the logs begin anew, with what was told of later. */
void signal_logs_settle_rest(struct signal_logs *logs);
