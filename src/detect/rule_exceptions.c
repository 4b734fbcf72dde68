/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/detect/rule_exceptions.h"

#include <stdlib.h>

#include "tcpwitness/base/units.h"

enum {
	MINUTES_PER_DAY = 24 * 60,
	DAYS_PER_WEEK = 7,
	EPOCH_DAY = 3, /* 1970-01-01 was a Thursday, and Monday is 0 */
};

static void destroy_parties(struct rule_parties *parties)
{
	rule_matcher_destroy(parties->targets);
	rule_matcher_destroy(parties->sources);
}

void rule_exceptions_destroy(struct rule_exceptions *exceptions)
{
	if (exceptions == NULL)
		return;
	for (size_t i = 0; i < exceptions->n_overrides; i++)
		free(exceptions->overrides[i].params);
	free(exceptions->overrides);
	rule_matcher_destroy(exceptions->override_matcher);
	destroy_parties(&exceptions->allowed);
	for (size_t i = 0; i < exceptions->n_quiet; i++)
		destroy_parties(&exceptions->quiet[i].parties);
	free(exceptions->quiet);
	free(exceptions->class_severities);
	free(exceptions);
}

static bool has_day(const struct rule_quiet *quiet, int64_t day)
{
	return (quiet->days >> (day % DAYS_PER_WEEK) & 1) != 0;
}

bool rule_quiet_holds(const struct rule_quiet *quiet, uint64_t now_ns)
{
	/* A week more, so that no offset makes it negative. */
	int64_t local_minute = (int64_t)(now_ns / (60 * NS_PER_SEC)) + quiet->utc_offset_minutes +
			       (int64_t)DAYS_PER_WEEK * MINUTES_PER_DAY;
	int64_t day = local_minute / MINUTES_PER_DAY + EPOCH_DAY;
	int64_t minute = local_minute % MINUTES_PER_DAY;

	if (quiet->from_minute < quiet->to_minute)
		return has_day(quiet, day) && minute >= quiet->from_minute && minute < quiet->to_minute;
	return (has_day(quiet, day) && minute >= quiet->from_minute) ||
	       (has_day(quiet, day + DAYS_PER_WEEK - 1) && minute < quiet->to_minute);
}
