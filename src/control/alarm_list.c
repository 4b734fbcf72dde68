/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides which alarms a person hears of when a run ends, and in which order: what is still open comes first.
 */
#include "alarm_list.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tcpwitness/base/units.h"

enum { MAX_LISTED = 256, TARGET_BYTES = 2 * IP_ADDR_TEXT_BYTES + 24 };

struct listed {
	uint64_t alert_id;
	uint64_t started_ns;
	double duration_s;
	const char *detector; /* static */
	struct alert_target target;
	uint32_t n_reopened;
	uint8_t severity;
	bool is_open;
};

struct alarm_list {
	size_t n;
	uint64_t n_forgotten;
	struct listed listed[MAX_LISTED];
};

struct alarm_list *alarm_list_create(void)
{
	return calloc(1, sizeof(struct alarm_list));
}

void alarm_list_destroy(struct alarm_list *list)
{
	free(list);
}

static struct listed *find(struct alarm_list *list, uint64_t alert_id)
{
	for (size_t i = list->n; i-- > 0;)
		if (list->listed[i].alert_id == alert_id)
			return &list->listed[i];
	return NULL;
}

/* For qsort: what matters more comes first. */
static int compare(const void *left, const void *right)
{
	const struct listed *a = left;
	const struct listed *b = right;

	if (a->is_open != b->is_open)
		return a->is_open ? -1 : 1;
	if (a->severity != b->severity)
		return a->severity < b->severity ? -1 : 1;
	if (a->started_ns != b->started_ns)
		return a->started_ns < b->started_ns ? -1 : 1;
	return a->alert_id < b->alert_id ? -1 : a->alert_id > b->alert_id;
}

static struct listed *add(struct alarm_list *list)
{
	struct listed *least = &list->listed[0];

	if (list->n < MAX_LISTED)
		return &list->listed[list->n++];
	for (size_t i = 1; i < MAX_LISTED; i++)
		if (compare(least, &list->listed[i]) < 0)
			least = &list->listed[i];
	list->n_forgotten++;
	return least;
}

void alarm_list_note(struct alarm_list *list, const struct event_alert *alert)
{
	struct listed *listed = find(list, alert->alert_id);

	if (listed == NULL)
		listed = add(list);
	*listed = (struct listed){
		.alert_id = alert->alert_id,
		.started_ns = alert->started_ns,
		.duration_s = alert->duration_s,
		.detector = alert->detector,
		.target = alert->target,
		.n_reopened = alert->n_reopened,
		.severity = alert->severity,
		.is_open = alert->phase != ALERT_CLEARED,
	};
}

/* "203.0.113.5:443", "[2001:db8::1]:443", "203.0.113.0/24", "10.0.0.5 to 10.0.0.9:443". Returns text. */
static const char *name_target(const struct alert_target *target, char text[static TARGET_BYTES])
{
	char client[IP_ADDR_TEXT_BYTES + 4] = "";
	char ip[IP_ADDR_TEXT_BYTES];

	if (target->ip.version == 0) {
		snprintf(text, TARGET_BYTES, "the sensor itself");
		return text;
	}
	ip_addr_format(&target->ip, ip);
	if (target->client.version != 0) {
		ip_addr_format(&target->client, client);
		size_t length = strlen(client);
		snprintf(client + length, sizeof(client) - length, " to ");
	}
	if (target->prefix_bits != 0)
		snprintf(text, TARGET_BYTES, "%s/%u", ip, target->prefix_bits);
	else if (!target->has_port)
		snprintf(text, TARGET_BYTES, "%s%s", client, ip);
	else
		snprintf(text, TARGET_BYTES, target->ip.version == 6 ? "%s[%s]:%u" : "%s%s:%u", client, ip,
			 target->port);
	return text;
}

static void print_duration(FILE *out, double seconds)
{
	if (seconds < 90)
		fprintf(out, "%.0f s", seconds);
	else if (seconds < 5400)
		fprintf(out, "%.0f min", seconds / 60);
	else
		fprintf(out, "%.1f h", seconds / 3600);
}

static void print_line(FILE *out, const struct listed *listed)
{
	char target[TARGET_BYTES];
	char started[32] = "?";
	time_t seconds = (time_t)(listed->started_ns / NS_PER_SEC);
	struct tm utc;

	if (gmtime_r(&seconds, &utc) != NULL)
		strftime(started, sizeof(started), "%Y-%m-%d %H:%M:%S", &utc);
	fprintf(out, "  %s %s UTC: %s, severity %u, %s", listed->is_open ? "open since" : "over, began", started,
		listed->detector, listed->severity, name_target(&listed->target, target));
	if (!listed->is_open) {
		fputs(", lasted ", out);
		print_duration(out, listed->duration_s);
	}
	if (listed->n_reopened > 0)
		fprintf(out, ", came again %" PRIu32 " time%s", listed->n_reopened, listed->n_reopened == 1 ? "" : "s");
	fputc('\n', out);
}

void alarm_list_print(struct alarm_list *list, FILE *out)
{
	size_t n_lines = list->n < ALARM_LIST_LINES ? list->n : ALARM_LIST_LINES;
	uint64_t n_more = list->n - n_lines + list->n_forgotten;

	qsort(list->listed, list->n, sizeof(list->listed[0]), compare);
	for (size_t i = 0; i < n_lines; i++)
		print_line(out, &list->listed[i]);
	if (n_more > 0)
		fprintf(out, "  and %" PRIu64 " more alarms: see the events\n", n_more);
}
