/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PROTOCOL_TCP = 6, PROTOCOL_ICMP = 1, PROTOCOL_ICMP6 = 58 };

#define NS_PER_S UINT64_C(1000000000)

struct relay_log {
	FILE *capture;
	FILE *journal;
	uint64_t frames;
	uint64_t clock_offset_ns; /* from the monotonic clock to the one of the capture */
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

struct relay_log *relay_log_open(const char *capture_path, const char *journal_path)
{
	struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t zone, figures, snaplen, link;
	} header = { .magic = 0xa1b23c4d, .major = 2, .minor = 4, .snaplen = 65535, .link = 101 };
	struct relay_log *log = calloc(1, sizeof(*log));

	if (log == NULL)
		return NULL;
	log->clock_offset_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
	log->capture = fopen(capture_path, "wb");
	log->journal = fopen(journal_path, "w");
	if (log->capture == NULL || log->journal == NULL || fwrite(&header, sizeof(header), 1, log->capture) != 1) {
		perror("relay: cannot write the capture and the journal");
		free(log);
		return NULL;
	}
	return log;
}

int relay_log_close(struct relay_log *log)
{
	int failed = ferror(log->capture) | ferror(log->journal);

	failed |= fclose(log->capture);
	failed |= fclose(log->journal);
	free(log);
	return failed ? -1 : 0;
}

void relay_log_flush(struct relay_log *log)
{
	fflush(log->capture);
	fflush(log->journal);
}

struct view {
	const uint8_t *payload; /* of the IP packet */
	unsigned bytes;
	uint8_t protocol;
};

static struct view view_of(const uint8_t *raw, uint16_t bytes)
{
	unsigned header = 0;
	uint8_t protocol = 0;

	if (bytes >= 20 && raw[0] >> 4 == 4) {
		header = (raw[0] & 15u) * 4;
		protocol = raw[9];
	} else if (bytes >= 40 && raw[0] >> 4 == 6) {
		header = 40;
		protocol = raw[6];
	}
	if (header == 0 || header > bytes)
		return (struct view){ .payload = raw };
	return (struct view){ .payload = raw + header, .bytes = bytes - header, .protocol = protocol };
}

bool relay_log_is_relevant(const uint8_t *raw, uint16_t bytes)
{
	struct view view = view_of(raw, bytes);

	if (view.protocol == PROTOCOL_TCP)
		return view.bytes >= 20;
	if (view.bytes == 0)
		return false;
	if (view.protocol == PROTOCOL_ICMP)
		return view.payload[0] == 3 || view.payload[0] == 11;
	return view.protocol == PROTOCOL_ICMP6 && view.payload[0] >= 1 && view.payload[0] <= 4;
}

void relay_log_capture(struct relay_log *log, uint64_t monotonic_ns, const uint8_t *raw, uint16_t bytes)
{
	uint64_t time_ns = monotonic_ns + log->clock_offset_ns;
	uint32_t header[4] = { (uint32_t)(time_ns / NS_PER_S), (uint32_t)(time_ns % NS_PER_S), bytes, bytes };

	fwrite(header, sizeof(header), 1, log->capture);
	fwrite(raw, bytes, 1, log->capture);
	log->frames++;
}

static unsigned u16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static unsigned long u32(const uint8_t *at)
{
	return (unsigned long)u16(at) << 16 | u16(at + 2);
}

void relay_log_note(struct relay_log *log, uint64_t monotonic_ns, enum relay_fate fate, uint64_t id, bool from_client,
		    const uint8_t *raw, uint16_t bytes)
{
	struct view view = view_of(raw, bytes);
	const uint8_t *tcp = view.payload;

	if (view.protocol != PROTOCOL_TCP)
		return;
	fprintf(log->journal, "%llu %c %llu %c %u %u %x %lu %lu %u %llu\n", (unsigned long long)monotonic_ns,
		(char)fate, (unsigned long long)id, from_client ? 'c' : 's', u16(tcp), u16(tcp + 2), tcp[13],
		u32(tcp + 4), u32(tcp + 8), view.bytes - (tcp[12] >> 4) * 4u, (unsigned long long)log->frames);
}

uint64_t relay_log_frames(const struct relay_log *log)
{
	return log->frames;
}
