/* SPDX-License-Identifier: BSD-2-Clause */
/* What was done, as lines of JSON beside the capture: the scorer compares alarms with them. */
#include <inttypes.h>

#include "world.h"

const char *ip_text(struct sim *sim, uint32_t ip, char text[static 48])
{
	if (sim->tap.ipv6)
		snprintf(text, 48, "2001:db8::%x:%x", ip >> 16, ip & 0xffff);
	else
		snprintf(text, 48, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
	return text;
}

static double seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

void truth_line(struct sim *sim, const char *kind, const char *members)
{
	if (sim->truth != NULL)
		fprintf(sim->truth, "{\"truth\":\"%s\",%s}\n", kind, members);
}

void truth_attack(struct sim *sim, const char *scenario, const char *accepted, const char *key, uint64_t start_ns,
		  uint64_t end_ns, const char *parameters)
{
	if (sim->truth == NULL)
		return;
	fprintf(sim->truth,
		"{\"truth\":\"attack\",\"id\":%u,\"scenario\":\"%s\",\"accepted\":%s,\"key\":{%s},\"start\":%.6f,"
		"\"end\":%.6f,\"parameters\":{%s}}\n",
		++sim->n_attacks, scenario, accepted, key, seconds(start_ns), seconds(end_ns), parameters);
}
