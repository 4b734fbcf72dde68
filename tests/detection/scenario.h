/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "conn.h"
#include "sim.h"

/* What the command line says: name=value pairs. */
struct options {
	int n;
	char **pairs;
	unsigned used; /* a bit for each pair that a scenario asked for; the others are mistakes */
};

double option_number(struct options *options, const char *name, double otherwise);
const char *option_text(struct options *options, const char *name, const char *otherwise);

struct scenario {
	const char *name;
	const char *text;
	void (*begin)(struct sim *sim, struct options *options);
};

/* Ended by a row without a name. */
extern const struct scenario scenarios[];

/* --- for the files of scenarios --- */

/* So long a scenario's ordinary traffic runs before its trouble begins, if nothing else is said. */
enum { LEAD_S = 20 };

/* lead seconds of quiet, then seconds of trouble, then tail seconds: when the trouble is. */
struct span {
	uint64_t from_ns;
	uint64_t until_ns;
};

struct span span_of(struct sim *sim, struct options *options, double seconds, double tail);
struct server *make_victim(struct sim *sim, struct options *options);
void begin_background(struct sim *sim, struct options *options, struct server *server);
const char *service_key(struct sim *sim, const struct server *server, char text[static 100]);

void begin_injection(struct sim *sim, struct options *options);
void begin_burst(struct sim *sim, struct options *options);

/* What is true only when all is over: peaks, failures. */
void scenario_end(struct sim *sim);
