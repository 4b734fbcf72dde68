/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A scan or a flood by many sources together is one alarm, about whom they ask, and not one more for each of them: an
 * operator would read the same sixty times, and an alarm about something else would have to wait. What a source does
 * elsewhere besides is no part of it.
 */
#include "incident.h"

#include "detect_internal.h"

bool incident_is_shared(const struct summary_key *key, unsigned slot)
{
	return (slot == INCIDENT_SOURCE || slot == INCIDENT_SERVICE) &&
	       (key->kind == SUMMARY_HOST || key->kind == SUMMARY_PREFIX);
}

/* One of attempts by many, over ports or hosts. */
static bool tells_sources(const struct incident *incident)
{
	const struct detector *class = incident->present->detector;

	return incident_is_shared(&incident->watch->key, incident->slot) &&
	       (class == &detector_port_scan || class == &detector_syn_flood || class == &detector_carpet_bombing);
}

struct incident *incident_fold_now(const struct incident_book *book, const struct watch *watch)
{
	if (watch->folded_into == 0 || book->n_shared == 0)
		return NULL;
	for (struct incident *incident = book->first; incident != NULL; incident = incident->next)
		if (incident->alarm->alert_id == watch->folded_into &&
		    incident_is_shared(&incident->watch->key, incident->slot))
			return incident;
	return NULL;
}

static bool is_about(const struct summary_key *key, const struct ip_addr *ip)
{
	if (key->kind == SUMMARY_HOST)
		return ip_addr_equal(&key->ip, ip);
	const struct summary_key prefix = summary_key_prefix(ip);

	return ip_addr_equal(&key->ip, &prefix.ip);
}

struct incident *incident_fold_for(const struct incident_book *book, const struct finding *finding, uint8_t severity)
{
	const struct reach_example *asked = finding->asked;
	bool is_told[REACH_EXAMPLES] = { false };
	struct incident *best = NULL;
	int best_told = 0;
	int n = 0;
	int told = 0;

	if (asked == NULL || book->n_shared == 0 || severity < INCIDENT_INFORMATIONAL)
		return NULL;
	while (n < REACH_EXAMPLES && asked[n].priority != 0)
		n++;
	for (struct incident *incident = book->first; incident != NULL; incident = incident->next) {
		int told_here = 0;
		if (!tells_sources(incident))
			continue;
		for (int i = 0; i < n; i++) {
			bool is_here = is_about(&incident->watch->key, &asked[i].ip);
			told_here += is_here;
			told += is_here && !is_told[i];
			is_told[i] |= is_here;
		}
		if (told_here > best_told) {
			best = incident;
			best_told = told_here;
		}
	}
	/* As far as the sample tells, what it does elsewhere would be an alarm too. */
	return n > 0 && (double)(n - told) / n * finding->level < finding->threshold / 2 ? best : NULL;
}
