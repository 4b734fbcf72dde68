/* SPDX-License-Identifier: BSD-2-Clause */
#include "hostile.h"

#include <stdlib.h>
#include <string.h>

#include "hosts.h"
#include "packet_builder.h"
#include "random.h"

/* A million frames a second. */
enum { GAP_NS = 1000, SECOND_NS = 1000000000 };

struct hostile_job {
	struct frame_writer *writer;
	struct random random;
	uint64_t now_ns;
	uint64_t n_connections;
};

typedef void hostile_fn(struct hostile_job *job);

static bool put(struct hostile_job *job, struct segment *segment)
{
	segment->time_ns = job->now_ns += GAP_NS;
	return frame_writer_put(job->writer, segment);
}

static struct side side_of(uint32_t addr, uint16_t port)
{
	return (struct side){
		.addr = { (uint8_t)(addr >> 24), (uint8_t)(addr >> 16), (uint8_t)(addr >> 8), (uint8_t)addr },
		.port = port,
	};
}

/* Of connection number, from its client or its server. */
static struct segment segment_of(uint32_t number, bool to_server, uint8_t flags)
{
	struct side client = side_of(0x0a000000 + number / 60000, (uint16_t)(1024 + number % 60000));
	struct side server = side_of(0xc6336401, 443);

	return (struct segment){
		.from = to_server ? client : server,
		.to = to_server ? server : client,
		.to_server = to_server,
		.flags = flags,
		.ttl = 64,
		.window = 512,
	};
}

/* One SYN to each of as many hosts as there are frames. */
static void put_carpet(struct hostile_job *job)
{
	struct segment segment;

	do {
		segment = segment_of(random_below(&job->random, 1 << 24), true, FLAG_SYN);
		segment.to = side_of(0x14000000 + (uint32_t)job->n_connections++, 443);
		segment.seq = random_u32(&job->random);
	} while (put(job, &segment));
}

/* One tuple all the time: opened, reset, opened anew, closed, opened over the TIME_WAIT. */
static void put_one_tuple(struct hostile_job *job)
{
	static const struct {
		bool to_server;
		uint8_t flags;
		uint8_t seq; /* beyond the initial number */
	} turns[] = {
		{ true, FLAG_SYN, 0 },
		{ true, FLAG_RST, 1 },
		{ true, FLAG_SYN, 0 },
		{ true, FLAG_SYN, 77 },
		{ true, FLAG_SYN, 0 },
		{ false, FLAG_SYN | FLAG_ACK, 0 },
		{ true, FLAG_ACK, 1 },
		{ true, FLAG_FIN | FLAG_ACK, 1 },
		{ false, FLAG_FIN | FLAG_ACK, 1 },
		{ true, FLAG_ACK, 2 },
	};
	enum { N_TURNS = sizeof(turns) / sizeof(turns[0]) };
	uint32_t isn = 0;
	unsigned turn = 0;
	struct segment segment;

	job->n_connections = 1;
	do {
		segment = segment_of(0, turns[turn].to_server, turns[turn].flags);
		segment.seq = isn + turns[turn].seq;
		segment.ack = turns[turn].flags & FLAG_ACK ? isn + 1 + (turn > 7) : 0;
		isn += turn == 1 || turn == N_TURNS - 1 ? 100000 : 0;
		turn = (turn + 1) % N_TURNS;
	} while (put(job, &segment));
}

/* Connections of which everything is unusual: holes, repeats that differ, FINs ahead, closed windows, every TTL. */
static void put_troubles(struct hostile_job *job)
{
	enum { MOST = 20000, PACKETS_EACH = 10 };
	uint64_t most = frame_writer_left(job->writer) / PACKETS_EACH + 1;
	uint32_t n = most < MOST ? (uint32_t)most : MOST;
	struct segment segment;
	bool room = true;

	job->n_connections = n;
	for (uint32_t i = 0; room && i < n * 3; i++) {
		static const uint8_t flags[] = { FLAG_SYN, FLAG_SYN | FLAG_ACK, FLAG_ACK };
		segment = segment_of(i / 3, i % 3 != 1, flags[i % 3]);
		segment.seq = i % 3 == 2;
		segment.ack = i % 3 != 0;
		segment.timestamps = true;
		segment.ts_value = i;
		room = put(job, &segment);
	}
	while (room) {
		static const uint8_t flags[] = {
			FLAG_ACK, FLAG_ACK, FLAG_ACK | FLAG_PSH, FLAG_ACK | FLAG_FIN, FLAG_SYN, FLAG_SYN | FLAG_ACK,
			FLAG_RST, 0
		};
		segment = segment_of(random_below(&job->random, n), random_permille(&job->random, 500),
				     flags[random_below(&job->random, random_permille(&job->random, 30) ? 8 : 3)]);
		segment.ttl = (uint8_t)(1 + random_below(&job->random, 255));
		segment.ip_id = (uint16_t)random_u32(&job->random);
		segment.window = random_permille(&job->random, 300) ? 0 : 512;
		segment.seq = 1 + random_below(&job->random, 60) * 1000;
		segment.ack = 1 + random_below(&job->random, 60) * 1000;
		segment.timestamps = random_permille(&job->random, 700);
		segment.ts_value = random_below(&job->random, 100000);
		segment.payload_bytes = random_below(&job->random, 3) * 1000;
		room = put(job, &segment);
	}
}

/*
 * Attempts and connections as fast as a wire brings them, until what is left has room for but one frame; then nobody
 * says a word for three hours, and everything that is remembered is due.
 */
static void put_silence(struct hostile_job *job)
{
	static const uint8_t flags[] = { FLAG_SYN, FLAG_SYN, FLAG_SYN | FLAG_ACK, FLAG_ACK };
	enum { N_FLAGS = sizeof(flags) / sizeof(flags[0]) };
	struct segment segment;
	uint32_t number = 0;
	unsigned turn = 0;

	do {
		segment = segment_of(number, flags[turn] != (FLAG_SYN | FLAG_ACK), flags[turn]);
		segment.seq = turn == N_FLAGS - 1;
		segment.ack = turn >= 2;
		number += turn == 0 || turn == N_FLAGS - 1;
		turn = (turn + 1) % N_FLAGS;
		if (frame_writer_left(job->writer) == 1)
			job->now_ns += UINT64_C(10800) * SECOND_NS;
	} while (put(job, &segment));
	job->n_connections = number;
}

/* The IPv4 address of the i-th of many, as text. */
static const char *text_of(uint32_t i, char text[16])
{
	snprintf(text, 16, "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
	return text;
}

static bool put_built(struct hostile_job *job, struct packet_builder *pb)
{
	struct frame frame = pb_frame(pb);

	return frame_writer_put_frame(job->writer, job->now_ns += GAP_NS, frame.data, frame.wire_bytes);
}

/* As many bytes of options as a TCP header holds, behind as many IPv6 extension headers as are put up with. */
static void put_options(struct hostile_job *job)
{
	static struct packet_builder pb;
	enum { DESTINATION_OPTIONS = 60, N_EXTENSIONS = 6, N_CONNECTIONS = 1000 };
	char options[128];
	bool room = true;

	job->n_connections = N_CONNECTIONS;
	for (uint32_t i = 0; room; i++) {
		uint32_t seq = i / N_CONNECTIONS * 3000;
		snprintf(options, sizeof(options), "nop,nop,TS val %u ecr 1,nop,nop,sack %u:%u %u:%u %u:%u", i, seq,
			 seq + 1, seq + 10, seq + 11, seq + 20, seq + 21);
		pb_ethernet(pb_reset(&pb));
		pb_ipv6(&pb, "2001:db8::1", "2001:db8::2");
		for (unsigned k = 0; k < N_EXTENSIONS; k++)
			pb_ipv6_extension(&pb, DESTINATION_OPTIONS, 24);
		pb_tcp(&pb, &(struct pb_tcp){ .src_port = (uint16_t)(1024 + i % N_CONNECTIONS),
					      .dst_port = 80,
					      .flags = i < N_CONNECTIONS ? "S" : ".",
					      .seq = seq,
					      .options = i < N_CONNECTIONS ? "mss 1,wscale 14,sackOK,TS val 1 ecr 0"
									   : options });
		room = put_built(job, &pb);
	}
}

/* Datagrams in fragments of eight bytes, whose last never comes. */
static void put_fragments(struct hostile_job *job)
{
	static struct packet_builder whole;
	static struct packet_builder piece;
	enum { PIECE_BYTES = 8, N_PIECES = 20, DATA_BYTES = 400 };
	bool room = true;
	char text[16];

	while (room) {
		pb_ethernet(pb_reset(&whole));
		pb_ipv4(&whole, text_of((uint32_t)job->n_connections++, text), "198.51.100.1");
		pb_tcp(&whole, &(struct pb_tcp){ .src_port = 1024, .dst_port = 80, .flags = "S" });
		pb_pattern(&whole, DATA_BYTES);
		(void)pb_frame(&whole);
		for (uint32_t i = 0; room && i < N_PIECES; i++) {
			(void)pb_fragment(&piece, &whole, i * PIECE_BYTES, PIECE_BYTES, 1);
			room = put_built(job, &piece);
		}
	}
}

struct hostile {
	const char *name;
	const char *text;
	hostile_fn *put;
};

/* clang-format off */
static const struct hostile all[] = {
	{ "carpet", "one SYN to each of as many hosts as there are packets", put_carpet },
	{ "one_tuple", "one tuple, opened, reset, closed and opened anew", put_one_tuple },
	{ "troubles", "connections with holes, repeats, FINs ahead, closed windows, all TTLs", put_troubles },
	{ "silence", "openings, a million packets a second, and then nothing for three hours", put_silence },
	{ "options", "40 bytes of TCP options behind six IPv6 extension headers", put_options },
	{ "fragments", "fragments of 8 bytes, never complete", put_fragments },
};
/* clang-format on */

enum { N_HOSTILE = sizeof(all) / sizeof(all[0]) };

static const struct hostile *find(const char *name)
{
	for (size_t i = 0; i < N_HOSTILE; i++) {
		if (strcmp(all[i].name, name) == 0)
			return &all[i];
	}
	return NULL;
}

bool hostile_is_known(const char *name)
{
	return find(name) != NULL;
}

void hostile_print(FILE *to)
{
	for (size_t i = 0; i < N_HOSTILE; i++)
		fprintf(to, "  %-10s %s\n", all[i].name, all[i].text);
}

void hostile_put(const char *name, struct frame_writer *writer, uint64_t seed, uint64_t start_ns,
		 uint64_t *n_connections)
{
	struct hostile_job job = { .writer = writer, .random.state = seed, .now_ns = start_ns };

	find(name)->put(&job);
	*n_connections = job.n_connections;
}
