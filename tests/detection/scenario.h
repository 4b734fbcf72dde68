/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

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

/* What is true only when all is over: peaks, failures. */
void scenario_end(struct sim *sim);
