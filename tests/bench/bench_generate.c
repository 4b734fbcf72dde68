/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes the captures on which throughput is measured: the same bytes for the same options and C library. A
 * workload is one row of the table below and one function that puts segments into the file until it is full.
 * Says on stdout, as JSON, how many packets and connections (attempts included) it wrote, and how many connections were
 * open at once, attempts of a flood not counted.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conversations.h"
#include "frame_writer.h"
#include "hostile.h"
#include "many_flows.h"
#include "random.h"

/* 2026-01-01 00:00:00 UTC. */
static const uint64_t start_ns = UINT64_C(1767225600) * 1000000000;

struct job {
	struct frame_writer *writer;
	uint64_t n_packets;
	uint64_t seed;
	uint64_t n_connections; /* counted by the workload, as the next */
	uint64_t most_open;
	const char *hostile; /* name of one of hostile.h; null: another workload */
};

/* 0, or -1 when memory is short. */
typedef int put_fn(struct job *job);

/* So many of the packets, but within these: a small capture is to last long enough for something to happen in it. */
static uint32_t share(const struct job *job, uint32_t packets_each, uint32_t least, uint32_t most)
{
	uint64_t n = job->n_packets / packets_each;

	return n < least ? least : n > most ? most : (uint32_t)n;
}

static int put_conversations(struct job *job, const struct conversation_profile *profile)
{
	struct conversations *honest = conversations_create(job->seed, profile, start_ns);
	struct segment segment;

	if (honest == NULL)
		return -1;
	do {
		conversations_next(honest, &segment);
	} while (frame_writer_put(job->writer, &segment));
	job->n_connections = conversations_counts(honest)->begun;
	job->most_open = conversations_counts(honest)->most_open;
	conversations_destroy(honest);
	return 0;
}

static const struct conversation_profile mix_profile = {
	.n_clients = 60000,
	.n_servers = 500,
	.idle_mean_ns = 2e9,
	.think_mean_ns = 10e9,
	.close_mean_ns = 5e9,
	.max_requests = 4,
	.upload_permille = 150,
	.answer_most_bytes = 5e7,
	.resend_permille = 3,
	.outcome_permille = { 450, 250, 80, 50, 50, 50, 70 },
};

static int put_mix(struct job *job)
{
	struct conversation_profile profile = mix_profile;

	profile.population = share(job, 25, 200, 200000);
	return put_conversations(job, &profile);
}

/* No more than one request each; the client closes in seven cases of ten, and then waits for 2MSL. */
static int put_churn(struct job *job)
{
	const struct conversation_profile profile = {
		.population = share(job, 3000, 50, 1200),
		.n_clients = 4000,
		.n_servers = 2,
		.idle_mean_ns = 20e6,
		.think_mean_ns = 0,
		.close_mean_ns = 5e6,
		.max_requests = 1,
		.answer_most_bytes = 1400,
		.outcome_permille = { 700, 300 },
	};

	return put_conversations(job, &profile);
}

/* Of 1.0.0.0 to 223.255.255.255, without loopback's, which is wrong on any wire. */
static uint32_t random_source(struct random *random)
{
	uint32_t source;

	do {
		source = (1 << 24) + random_below(random, UINT32_C(223) << 24);
	} while (source >> 24 == 127);
	return source;
}

/* One SYN from anywhere, as flooding tools make it: no options, a fixed window. */
static void fill_flood_syn(struct segment *segment, uint64_t time_ns, struct random *random)
{
	uint32_t source = random_source(random);

	*segment = (struct segment){
		.time_ns = time_ns,
		.from.addr = { (uint8_t)(source >> 24), (uint8_t)(source >> 16), (uint8_t)(source >> 8),
			       (uint8_t)source },
		.from.port = (uint16_t)(1024 + random_below(random, 64512)),
		.to = { .addr = { 198, 51, 100, 10 }, .port = 443 },
		.to_server = true,
		.flags = FLAG_SYN,
		.ttl = (uint8_t)(40 + random_below(random, 24)),
		.ip_id = (uint16_t)random_u32(random),
		.window = 512,
		.seq = random_u32(random),
	};
}

/*
 * After each honest segment 19 of the flood, spread over the time until the next: 5 % are honest. No SYN is
 * answered.
 */
static int put_synflood(struct job *job)
{
	enum { FLOOD_PER_HONEST = 19 };
	struct conversation_profile profile = mix_profile;
	struct random random = { .state = ~job->seed };
	struct segment segment;
	bool room;

	profile.population = share(job, 10000, 50, 500);
	profile.idle_mean_ns = 400e6;
	profile.think_mean_ns = 250e6;
	profile.close_mean_ns = 50e6;
	struct conversations *honest = conversations_create(job->seed, &profile, start_ns);
	if (honest == NULL)
		return -1;
	do {
		conversations_next(honest, &segment);
		uint64_t from_ns = segment.time_ns;
		uint64_t gap_ns = (conversations_next_ns(honest) - from_ns) / (FLOOD_PER_HONEST + 1);
		room = frame_writer_put(job->writer, &segment);
		for (uint64_t i = 1; room && i <= FLOOD_PER_HONEST; i++) {
			fill_flood_syn(&segment, from_ns + i * gap_ns, &random);
			room = frame_writer_put(job->writer, &segment);
			job->n_connections++;
		}
	} while (room);
	job->n_connections += conversations_counts(honest)->begun;
	job->most_open = conversations_counts(honest)->most_open;
	conversations_destroy(honest);
	return 0;
}

/* Half of the packets open connections, the other half belongs to any of them. */
static int put_manyflows(struct job *job)
{
	uint32_t n = share(job, 6, 1, UINT32_MAX / 2);
	struct many_flows *flows = many_flows_create(job->seed, n, start_ns);
	struct segment segment;

	if (flows == NULL)
		return -1;
	do {
		many_flows_next(flows, &segment);
	} while (frame_writer_put(job->writer, &segment));
	job->n_connections = n;
	job->most_open = n;
	many_flows_destroy(flows);
	return 0;
}

struct workload {
	const char *name;
	const char *text;
	put_fn *put;
};

/* clang-format off */
static const struct workload workloads[] = {
	{ "mix", "all outcomes, heavy-tailed sizes; a connection open for every 25 packets, to 200000", put_mix },
	{ "synflood", "SYNs from random sources on one service over 5 % of mix", put_synflood },
	{ "manyflows", "a connection for every 6 packets, all stay open, data at random over them", put_manyflows },
	{ "churn", "short connections to few servers, all handshakes complete, TIME_WAITs pile up", put_churn },
};
/* clang-format on */

/* Any other name is one of hostile.h. */
static int put_hostile_frames(struct job *job)
{
	hostile_put(job->hostile, job->writer, job->seed, start_ns, &job->n_connections);
	return 0;
}

static const struct workload hostile_workload = { .put = put_hostile_frames };

struct options {
	const struct workload *workload;
	const char *hostile; /* as in struct job */
	uint64_t n_packets;
	uint64_t seed;
	uint32_t snaplen;
	const char *output;
};

static void print_usage(FILE *to)
{
	fprintf(to, "usage: bench_generate --workload WORKLOAD --output FILE [--packets N] [--snaplen N] [--seed N]\n"
		    "  --packets  to write (default 2000000)\n"
		    "  --snaplen  bytes stored of each frame, 0 = all (default 96)\n"
		    "  --seed     default 1\n"
		    "workloads (a fifth of the connections is IPv6):\n");
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++)
		fprintf(to, "  %-10s %s\n", workloads[i].name, workloads[i].text);
	fprintf(to, "what senders do who mean harm:\n");
	hostile_print(to);
}

static const struct workload *find_workload(const char *name)
{
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		if (strcmp(workloads[i].name, name) == 0)
			return &workloads[i];
	}
	return hostile_is_known(name) ? &hostile_workload : NULL;
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
	static const struct option known[] = {
		{ "workload", required_argument, NULL, 'w' }, { "output", required_argument, NULL, 'o' },
		{ "packets", required_argument, NULL, 'n' },  { "snaplen", required_argument, NULL, 'c' },
		{ "seed", required_argument, NULL, 's' },     { NULL, 0, NULL, 0 },
	};
	uint64_t snaplen = 96;
	bool fine = true;
	int option;

	*options = (struct options){ .n_packets = 2000000, .seed = 1 };
	while ((option = getopt_long(argc, argv, "w:o:n:c:s:", known, NULL)) != -1) {
		if (option == 'w') {
			options->workload = find_workload(optarg);
			options->hostile = options->workload == &hostile_workload ? optarg : NULL;
		} else if (option == 'o')
			options->output = optarg;
		else if (option == 'n')
			fine &= parse_number(optarg, 1, UINT64_C(1) << 32, &options->n_packets);
		else if (option == 'c')
			fine &= parse_number(optarg, 0, 262144, &snaplen);
		else if (option == 's')
			fine &= parse_number(optarg, 0, UINT64_MAX, &options->seed);
		else
			fine = false;
	}
	options->snaplen = (uint32_t)snaplen;
	return fine && optind == argc && options->workload != NULL && options->output != NULL;
}

int main(int argc, char **argv)
{
	struct options options;

	if (!parse_options(argc, argv, &options)) {
		print_usage(stderr);
		return 2;
	}
	struct job job = { .n_packets = options.n_packets, .seed = options.seed, .hostile = options.hostile };
	job.writer = frame_writer_open(options.output, options.n_packets, options.snaplen);
	if (job.writer == NULL)
		return 1;
	int result = options.workload->put(&job);
	if (result < 0)
		fprintf(stderr, "bench_generate: not enough memory\n");
	if (frame_writer_close(job.writer) < 0)
		result = -1;
	printf("{\"packets\":%" PRIu64 ",\"connections\":%" PRIu64 ",\"most_open\":%" PRIu64 "}\n", job.n_packets,
	       job.n_connections, job.most_open);
	return result < 0 ? 1 : 0;
}
