/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes a capture of a named situation to the standard output, and the truth about it to a file:
 *   simulate SCENARIO [--seed N] [--truth FILE] [name=value ...]
 */
#include "scenario.h"

#include <stdlib.h>
#include <string.h>

static void usage(FILE *to)
{
	fputs("usage: simulate SCENARIO [--seed N] [--truth FILE] [name=value ...]\n\nscenarios:\n", to);
	for (const struct scenario *s = scenarios; s->name != NULL; s++)
		fprintf(to, "  %-16s %s\n", s->name, s->text);
	fputs("\nof every scenario: lead, seconds, tail (s); of the tap: lost, doubled, reordered (shares), one_way, "
	      "snaplen, "
	      "vlan,\nqinq, ipv6, blind (s), step (s), step_back (s)\n",
	      to);
}

static void read_tap(struct tap *tap, struct options *options)
{
	*tap = (struct tap){
		.lost = option_number(options, "lost", 0),
		.doubled = option_number(options, "doubled", 0),
		.reordered = option_number(options, "reordered", 0),
		.one_way = option_number(options, "one_way", 0) != 0,
		.snaplen = (uint16_t)option_number(options, "snaplen", 0),
		.vlan = (uint16_t)option_number(options, "vlan", 0),
		.outer_vlan = (uint16_t)option_number(options, "qinq", 0),
		.ipv6 = option_number(options, "ipv6", 0) != 0,
		.blind_ns = SIM_START_NS + (uint64_t)(option_number(options, "blind", 0) * 1e9),
		.step_back_ns = (uint64_t)(option_number(options, "step_back", 0) * 1e9),
	};
	double step = option_number(options, "step", 0);
	if (step > 0)
		tap->step_ns = SIM_START_NS + (uint64_t)(step * 1e9);
}

int main(int argc, char **argv)
{
	struct sim sim = { .now_ns = SIM_START_NS, .capture = stdout, .random = { 1 } };
	struct options options = { 0 };
	const struct scenario *scenario = scenarios;

	if (argc < 2) {
		usage(stderr);
		return 2;
	}
	while (scenario->name != NULL && strcmp(scenario->name, argv[1]) != 0)
		scenario++;
	if (scenario->name == NULL) {
		usage(stderr);
		return 2;
	}
	int i = 2;
	for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
		if (strcmp(argv[i], "--seed") == 0)
			sim.random.state = strtoull(argv[i + 1], NULL, 10) * UINT64_C(0x9e3779b97f4a7c15);
		else if (strcmp(argv[i], "--truth") == 0)
			sim.truth = fopen(argv[i + 1], "w");
	}
	options.n = argc - i;
	options.pairs = argv + i;
	if (options.n > 32) {
		usage(stderr);
		return 2;
	}
	read_tap(&sim.tap, &options);
	if (tap_begin(&sim) != 0)
		return 1;
	scenario->begin(&sim, &options);
	for (int n = 0; n < options.n; n++) {
		if (!(options.used >> n & 1)) {
			fprintf(stderr, "simulate: %s: %s does not know it\n", options.pairs[n], scenario->name);
			return 2;
		}
	}
	sim_run(&sim);
	scenario_end(&sim);
	if (sim.truth != NULL && fclose(sim.truth) != 0)
		return 1;
	return tap_end(&sim) == 0 ? 0 : 1;
}
