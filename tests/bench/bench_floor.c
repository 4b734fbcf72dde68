/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the hardware allows, in five steps from reading alone to the least that a tracker must do. Each mode reads the
 * whole capture and prints what it found, and the processor time of the pass over the file alone: opening it and
 * allocating the table are outside.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "floor_frame.h"
#include "floor_table.h"

enum { BATCH = 32, PCAP_HEADER_BYTES = 24, RECORD_BYTES = 16 };

/* What is done for each frame. */
enum work {
	WORK_HEADERS = 0, /* look at all headers */
	WORK_TABLE,       /* and find or make the connection's entry */
	WORK_BATCHES,     /* the same for 32 at a time, whose entries are prefetched before the first is touched */
};

struct pass {
	struct floor_table table;
	uint64_t packets;
	uint64_t bytes;
	uint64_t tcp_segments;
	uint64_t digest; /* of ports, numbers and flags: keeps the compiler from leaving the reading out */
	uint32_t n_waiting;
	struct floor_segment waiting[BATCH];
};

/* Prefetched here and not as each was read: what a reader does in between would wait for it. */
static void track_waiting(struct pass *pass)
{
	for (uint32_t i = 0; i < pass->n_waiting; i++)
		__builtin_prefetch(floor_home(&pass->table, &pass->waiting[i]), 1);
	for (uint32_t i = 0; i < pass->n_waiting; i++)
		floor_track(&pass->table, &pass->waiting[i]);
	pass->n_waiting = 0;
}

ALWAYS_INLINE void take(struct pass *pass, enum work work, const struct floor_frame *frame)
{
	struct floor_headers headers;
	bool is_tcp = floor_read_headers(frame, &headers);

	pass->packets++;
	pass->bytes += frame->wire_bytes;
	if (!is_tcp)
		return;
	pass->tcp_segments++;
	pass->digest = pass->digest * 31 + headers.digest;
	if (work == WORK_HEADERS)
		return;
	struct floor_segment *segment = &pass->waiting[pass->n_waiting];
	floor_fill_segment(&pass->table.key, frame, &headers, segment);
	if (work == WORK_TABLE) {
		floor_track(&pass->table, segment);
		return;
	}
	if (++pass->n_waiting == BATCH)
		track_waiting(pass);
}

/* --- the file in memory --- */

struct file_map {
	const uint8_t *data;
	size_t n_bytes;
};

/* Returns 0, or -1 with a message. */
static int map_file(const char *path, struct file_map *map)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &status) < 0) {
		fprintf(stderr, "bench_floor: %s: %s\n", path, strerror(errno));
		return -1;
	}
	map->n_bytes = (size_t)status.st_size;
	map->data = mmap(NULL, map->n_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (map->data == MAP_FAILED) {
		fprintf(stderr, "bench_floor: %s: cannot be mapped: %s\n", path, strerror(errno));
		return -1;
	}
	if (map->n_bytes < PCAP_HEADER_BYTES || le32(map->data) != 0xa1b2c3d4 || le32(map->data + 20) != 1) {
		fprintf(stderr, "bench_floor: %s: not a capture of bench_generate\n", path);
		return -1;
	}
	(void)madvise((void *)(uintptr_t)map->data, map->n_bytes, MADV_SEQUENTIAL);
	return 0;
}

ALWAYS_INLINE void walk(struct pass *pass, enum work work, const struct file_map *map)
{
	const uint8_t *at = map->data + PCAP_HEADER_BYTES;
	const uint8_t *end = map->data + map->n_bytes;

	while ((size_t)(end - at) >= RECORD_BYTES) {
		struct floor_frame frame = {
			.data = at + RECORD_BYTES,
			.stored_bytes = le32(at + 8),
			.wire_bytes = le32(at + 12),
			.time_ns = le32(at) * UINT64_C(1000000000) + le32(at + 4) * UINT64_C(1000),
		};
		if ((size_t)(end - frame.data) < frame.stored_bytes)
			break;
		take(pass, work, &frame);
		at = frame.data + frame.stored_bytes;
	}
	track_waiting(pass);
}

/* --- libpcap --- */

ALWAYS_INLINE void take_pcap(uint8_t *user, enum work work, const struct pcap_pkthdr *header, const uint8_t *data)
{
	struct floor_frame frame = {
		.data = data,
		.stored_bytes = header->caplen,
		.wire_bytes = header->len,
		.time_ns = (uint64_t)header->ts.tv_sec * UINT64_C(1000000000) + (uint64_t)header->ts.tv_usec,
	};

	/* libpcap carries the caller's pointer as bytes. */
	take((struct pass *)(void *)user, work, &frame);
}

static void take_headers(uint8_t *user, const struct pcap_pkthdr *header, const uint8_t *data)
{
	take_pcap(user, WORK_HEADERS, header, data);
}

static void take_batches(uint8_t *user, const struct pcap_pkthdr *header, const uint8_t *data)
{
	take_pcap(user, WORK_BATCHES, header, data);
}

/* --- modes --- */

struct mode {
	const char *name;
	const char *text;
	enum work work;
	bool mapped;
};

/* clang-format off */
static const struct mode modes[] = {
	{ "pcap",         "libpcap's loop, which looks at all headers",                  WORK_HEADERS, false },
	{ "map",          "the same over the file in memory",                            WORK_HEADERS, true },
	{ "map-table",    "and one hash and one look-up or insertion a packet",          WORK_TABLE,   true },
	{ "map-batches",  "the same in batches of 32 with prefetching",                  WORK_BATCHES, true },
	{ "pcap-batches", "libpcap's loop, hash and look-up in batches with prefetching", WORK_BATCHES, false },
};
/* clang-format on */

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Returns the processor time of the pass, or -1 with a message. */
static double pass_mapped(struct pass *pass, const struct mode *mode, const char *path)
{
	struct file_map map;

	if (map_file(path, &map) < 0)
		return -1;
	double begin = cpu_seconds();
	if (mode->work == WORK_HEADERS)
		walk(pass, WORK_HEADERS, &map);
	else if (mode->work == WORK_TABLE)
		walk(pass, WORK_TABLE, &map);
	else
		walk(pass, WORK_BATCHES, &map);
	return cpu_seconds() - begin;
}

static double pass_pcap(struct pass *pass, const struct mode *mode, const char *path)
{
	char reason[PCAP_ERRBUF_SIZE] = "";
	pcap_t *handle = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, reason);

	if (handle == NULL) {
		fprintf(stderr, "bench_floor: %s\n", reason);
		return -1;
	}
	double begin = cpu_seconds();
	int status = pcap_loop(handle, -1, mode->work == WORK_HEADERS ? take_headers : take_batches, (uint8_t *)pass);
	track_waiting(pass);
	double seconds = cpu_seconds() - begin;
	if (status < 0)
		fprintf(stderr, "bench_floor: %s: %s\n", path, pcap_geterr(handle));
	pcap_close(handle);
	return status < 0 ? -1 : seconds;
}

static const struct mode *find_mode(const char *name)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(modes[i].name, name) == 0)
			return &modes[i];
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static struct pass pass;
	const struct mode *mode = argc == 4 ? find_mode(argv[1]) : NULL;
	uint64_t n_connections = mode != NULL ? strtoull(argv[3], NULL, 10) : 0;

	if (mode == NULL) {
		fprintf(stderr, "usage: bench_floor MODE FILE CONNECTIONS\nmodes:\n");
		for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
			fprintf(stderr, "  %-12s %s\n", modes[i].name, modes[i].text);
		return 2;
	}
	if (mode->work != WORK_HEADERS && floor_table_create(&pass.table, n_connections) < 0) {
		fprintf(stderr, "bench_floor: not enough memory for %" PRIu64 " connections\n", n_connections);
		return 1;
	}
	double seconds = mode->mapped ? pass_mapped(&pass, mode, argv[2]) : pass_pcap(&pass, mode, argv[2]);
	if (seconds < 0)
		return 1;
	printf("{\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"tcp_segments\":%" PRIu64 ",\"connections\":%" PRIu64
	       ",\"digest\":\"%016" PRIx64 "\",\"pass_cpu_seconds\":%.6f}\n",
	       pass.packets, pass.bytes, pass.tcp_segments, pass.table.n_entries, pass.digest, seconds);
	return 0;
}
