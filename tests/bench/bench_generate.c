/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes the captures on which throughput is measured: the same bytes for the same options and C library. A
 * workload is one row of the table below and one function that puts segments into the file until it is full.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conversations.h"
#include "frame_writer.h"
#include "random.h"

/* 2026-01-01 00:00:00 UTC. */
static const uint64_t start_ns = UINT64_C(1767225600) * 1000000000;

struct workload {
	const char *name;
	const char *text;
	uint32_t population; /* honest connections at any time */
	void (*put)(struct frame_writer *writer, struct conversations *honest, struct random *random);
};

static void put_mix(struct frame_writer *writer, struct conversations *honest, struct random *random)
{
	struct segment segment;

	(void)random;
	do {
		conversations_next(honest, &segment);
	} while (frame_writer_put(writer, &segment));
}

/* One SYN with a source of 0.0.0.1 to 223.255.255.255, as flooding tools make it: no options, a fixed window. */
static void fill_flood_syn(struct segment *segment, uint64_t time_ns, struct random *random)
{
	uint32_t source = 1 + random_below(random, UINT32_C(224) << 24);

	*segment = (struct segment){
		.time_ns = time_ns,
		.from.addr = { (uint8_t)(source >> 24), (uint8_t)(source >> 16), (uint8_t)(source >> 8),
			       (uint8_t)source },
		.from.port = (uint16_t)(1024 + random_below(random, 64512)),
		.to = { .addr = { 198, 51, 100, 10 }, .port = 443 },
		.to_server = true,
		.flags = FLAG_SYN,
		.ttl = (uint8_t)(40 + random_below(random, 24)),
		.window = 512,
		.seq = random_u32(random),
	};
}

/*
 * After each honest segment 19 of the flood, spread over the time until the next: 5 % are honest. No SYN is
 * answered.
 */
static void put_synflood(struct frame_writer *writer, struct conversations *honest, struct random *random)
{
	enum { FLOOD_PER_HONEST = 19 };
	struct segment segment;
	bool room;

	do {
		conversations_next(honest, &segment);
		uint64_t from_ns = segment.time_ns;
		uint64_t gap_ns = (conversations_next_ns(honest) - from_ns) / (FLOOD_PER_HONEST + 1);
		room = frame_writer_put(writer, &segment);
		for (uint64_t i = 1; room && i <= FLOOD_PER_HONEST; i++) {
			fill_flood_syn(&segment, from_ns + i * gap_ns, random);
			room = frame_writer_put(writer, &segment);
		}
	} while (room);
}

/* clang-format off */
static const struct workload workloads[] = {
	{ "mix",      "connections of all outcomes, a fifth IPv6, sizes with a heavy tail", 20000, put_mix },
	{ "synflood", "SYNs from random sources on one service over 5 % of mix",             2000, put_synflood },
};
/* clang-format on */

struct options {
	const struct workload *workload;
	uint64_t n_packets;
	uint64_t seed;
	uint32_t cut_bytes;
	const char *output;
};

static void print_usage(FILE *to)
{
	fprintf(to, "usage: bench_generate -w WORKLOAD -o FILE [-n PACKETS] [-c CUT_BYTES] [-s SEED]\n"
		    "  -n  packets to write (default 2000000)\n"
		    "  -c  bytes stored of each frame, 0 = all (default 96)\n"
		    "  -s  seed (default 1)\n"
		    "workloads:\n");
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++)
		fprintf(to, "  %-10s %s\n", workloads[i].name, workloads[i].text);
}

static const struct workload *find_workload(const char *name)
{
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		if (strcmp(workloads[i].name, name) == 0)
			return &workloads[i];
	}
	return NULL;
}

static bool parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *number >= least && *number <= most;
}

/* False when the command line is wrong. */
static bool parse_options(int argc, char **argv, struct options *options)
{
	uint64_t cut_bytes = 96;
	bool fine = true;
	int option;

	*options = (struct options){ .n_packets = 2000000, .seed = 1 };
	while ((option = getopt(argc, argv, "w:o:n:c:s:")) != -1) {
		if (option == 'w')
			options->workload = find_workload(optarg);
		else if (option == 'o')
			options->output = optarg;
		else if (option == 'n')
			fine &= parse_number(optarg, 1, UINT64_MAX, &options->n_packets);
		else if (option == 'c')
			fine &= parse_number(optarg, 0, 262144, &cut_bytes);
		else if (option == 's')
			fine &= parse_number(optarg, 0, UINT64_MAX, &options->seed);
		else
			fine = false;
	}
	options->cut_bytes = (uint32_t)cut_bytes;
	return fine && optind == argc && options->workload != NULL && options->output != NULL;
}

int main(int argc, char **argv)
{
	struct options options;

	if (!parse_options(argc, argv, &options)) {
		print_usage(stderr);
		return 2;
	}
	struct random random = { .state = ~options.seed };
	struct conversations *honest = conversations_create(options.seed, options.workload->population, start_ns);
	if (honest == NULL) {
		fprintf(stderr, "bench_generate: not enough memory\n");
		return 1;
	}
	struct frame_writer *writer = frame_writer_open(options.output, options.n_packets, options.cut_bytes);
	if (writer == NULL) {
		conversations_destroy(honest);
		return 1;
	}
	options.workload->put(writer, honest, &random);
	conversations_destroy(honest);
	return frame_writer_close(writer) < 0 ? 1 : 0;
}
