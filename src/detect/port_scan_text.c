/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What port_scan says: who asked what of whom, what was found open, and what to do.
 */
#include "port_scan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "inside.h"

enum { TEXT_BYTES = 160, MAX_NAMED = 4 };

static const char *count_text(double count, const char *what, char text[static TEXT_BYTES])
{
	double shown = count < 100 ? round(count) : round(count / 10) * 10;

	/* The sketches that count are right to a few percent. */
	snprintf(text, TEXT_BYTES, "%s%.0f %s%s", count < 100 ? "" : "about ", shown, what, shown == 1 ? "" : "s");
	return text;
}

static int count_examples(const struct reach_example *examples)
{
	int n = 0;

	while (n < REACH_EXAMPLES && examples[n].priority != 0)
		n++;
	return n;
}

/* "192.0.2.1", or "192.0.2.1, 192.0.2.7 and others". */
static const char *hosts_text(const struct reach_example *examples, double hosts, char text[static TEXT_BYTES])
{
	char ip[IP_ADDR_TEXT_BYTES];
	int n = count_examples(examples);
	int named = 0;
	size_t length = 0;

	text[0] = 0;
	for (int i = 0; i < n && named < 2; i++) {
		bool is_known = false;
		for (int j = 0; j < i; j++)
			is_known |= ip_addr_equal(&examples[j].ip, &examples[i].ip);
		if (is_known)
			continue;
		length += (size_t)snprintf(text + length, TEXT_BYTES - length, "%s%s", named > 0 ? ", " : "",
					   ip_addr_format(&examples[i].ip, ip));
		named++;
	}
	if (named == 0)
		snprintf(text, TEXT_BYTES, "unknown hosts");
	else if (round(hosts) > named)
		snprintf(text + length, TEXT_BYTES - length, " and others");
	return text;
}

static int compare_ports(uint16_t a, uint16_t b)
{
	return a < b ? -1 : a > b;
}

/* The lowest few different ports among the examples. Returns how many there are. */
static int lowest_ports(const struct reach_example *examples, uint16_t ports[static MAX_NAMED])
{
	int n = count_examples(examples);
	int n_ports = 0;

	for (int i = 0; i < n; i++) {
		int place = 0;
		while (place < n_ports && compare_ports(ports[place], examples[i].port) < 0)
			place++;
		if (place == MAX_NAMED || (place < n_ports && ports[place] == examples[i].port))
			continue;
		if (n_ports < MAX_NAMED)
			n_ports++;
		memmove(&ports[place + 1], &ports[place], (size_t)(n_ports - 1 - place) * sizeof(*ports));
		ports[place] = examples[i].port;
	}
	return n_ports;
}

static const char *ports_text(const struct reach_example *examples, double all, char text[static TEXT_BYTES])
{
	uint16_t ports[MAX_NAMED];
	int n = lowest_ports(examples, ports);
	size_t length = 0;

	text[0] = 0;
	for (int i = 0; i < n; i++)
		length += (size_t)snprintf(text + length, TEXT_BYTES - length, "%s%u", i > 0 ? ", " : "", ports[i]);
	if (round(all) > n && n > 0)
		snprintf(text + length, TEXT_BYTES - length, ", ...");
	return text;
}

/* What of it answered: that is what the scanner knows now. */
static void add_found(const struct port_scan_state *state, const struct detect_scene *scene, char *text, size_t size)
{
	char ports[TEXT_BYTES];
	size_t length = strlen(text);

	if (state->class >= SCAN_STEALTH || state->class == SCAN_DISTRIBUTED)
		return;
	if (state->view.found >= 0.5)
		snprintf(text + length, size - length, "; %.0f answered%s%s%s", round(state->view.found),
			 state->open[0].priority != 0 ? " (" : "", ports_text(state->open, state->view.found, ports),
			 state->open[0].priority != 0 ? ")" : "");
	else if (scene->sensor->totals[SUMMARY_ANSWERED] + scene->sensor->totals[SUMMARY_REFUSED] == 0)
		snprintf(text + length, size - length, "; no answer of anybody was ever seen here");
	else if (2 * scene->summary->totals[SUMMARY_REFUSED] >= source_failures(scene->summary))
		snprintf(text + length, size - length, "; none is open, most refuse");
	else
		snprintf(text + length, size - length, "; none answered");
}

/* All that it asked: what failed, and what it found open and left so. */
static double tried(const struct reach_view *view)
{
	return view->count + fmax(view->found - view->reset, 0);
}

static void describe(const struct port_scan_state *state, const char *who, char *text, size_t size)
{
	const struct reach_view *view = &state->view;
	double seconds = ns_to_seconds(ns_since(state->activity.active_ns, state->activity.began_ns));
	const char *how = state->class == SCAN_SLOW ? ", slowly," : "";
	char count[TEXT_BYTES];
	char hosts[TEXT_BYTES];
	char ports[TEXT_BYTES];

	hosts_text(state->targets, view->hosts, hosts);
	ports_text(state->targets, view->ports, ports);
	if (state->class == SCAN_DISTRIBUTED)
		snprintf(text, size, "%.0f sources together try %.60s of %s (%.100s)", round(state->sources),
			 count_text(view->failed, "endpoint", count), who, ports);
	else if (state->class >= SCAN_STEALTH)
		snprintf(text, size, "%s sends %s segments that belong to no connection to %.60s of %.100s (%.100s)",
			 who, flow_stray_name((enum flow_stray)(state->class - SCAN_STEALTH)),
			 count_text(view->failed, "port", count), hosts, ports);
	else if (view->shape == REACH_HORIZONTAL)
		snprintf(text, size, "%s tries port%s %.100s of %.60s (%.100s)%s", who,
			 round(view->ports) > 1 ? "s" : "", ports, count_text(tried(view), "host", count), hosts, how);
	else
		snprintf(text, size, "%s tries %.60s of %.100s (%.100s)%s", who,
			 count_text(tried(view), view->shape == REACH_BLOCK ? "endpoint" : "port", count), hosts, ports,
			 how);
	size_t length = strlen(text);
	snprintf(text + length, size - length, " within %.0f s", fmax(ceil(seconds), 1));
}

static const char *advice(const struct port_scan_state *state, bool is_inside)
{
	if (is_inside)
		return "look at this host now: it is infected, or a scanner that belongs on the allow list";
	if (state->class == SCAN_DISTRIBUTED)
		return "nothing is broken; check what of it is reachable";
	return state->view.found >= 0.5
		       ? "nothing is broken; check that what answered is meant to be reachable from there"
		       : "nothing is broken; block the source if it goes on";
}

void port_scan_explain(const void *params, const struct detect_scene *scene, const void *memory,
		       const struct finding *finding, enum alert_phase phase, struct event_alert *alert)
{
	const struct port_scan_state *state = memory;
	bool is_source = scene->key->kind == SUMMARY_SOURCE;
	bool is_inside = is_source && ip_addr_is_inside(&scene->key->ip);
	char who[IP_ADDR_TEXT_BYTES + 4];
	char ip[IP_ADDR_TEXT_BYTES];
	char what[sizeof(alert->explanation)];

	(void)params;
	(void)finding;
	ip_addr_format(&scene->key->ip, ip);
	if (scene->key->kind == SUMMARY_PREFIX)
		snprintf(who, sizeof(who), "%s/%u", ip, scene->key->prefix_bits);
	else
		snprintf(who, sizeof(who), "%s", ip);
	describe(state, who, what, sizeof(what));
	add_found(state, scene, what, sizeof(what));
	if (phase == ALERT_CLEARED)
		snprintf(alert->explanation, sizeof(alert->explanation), "The scan is over: %.300s.", what);
	else
		snprintf(alert->explanation, sizeof(alert->explanation), "%.280s: %s.", what, advice(state, is_inside));
	if (is_inside && alert->mitre_technique != NULL && strcmp(alert->mitre_technique, "T1595.001") == 0) {
		alert->mitre_technique = "T1046";
		alert->mitre_tactic = "Discovery";
	}
}
