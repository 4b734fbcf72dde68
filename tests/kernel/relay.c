/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The path between two hosts, with a tap in it: two TUN devices joined by this program, which delays, loses,
 * duplicates and reorders packets with a seed, before the tap and behind it.
 *
 *   client --near--> tap --far--> server        (and back: server --far--> tap --near--> client)
 *
 * What the tap sees is written as a capture, what becomes of every packet as a journal (relay_log.h). Commands come on
 * standard input, a line each, and are answered with a line:
 *   path BEFORE BEHIND DUPLICATE REORDER   probabilities from now on; answers "ok"
 *   settle IDLE_MS TIMEOUT_MS              waits until nothing is under way and nothing has moved for IDLE_MS; answers
 *                                          "quiet FRAMES" or "busy FRAMES", with the number of frames captured so far
 *   end                                    closes the files and ends
 *
 * Usage: relay CLIENT_TUN_FD SERVER_TUN_FD SEED NEAR_US FAR_US CAPTURE JOURNAL
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "relay_log.h"

enum { MAX_UNDER_WAY = 1 << 16, MAX_PACKET_BYTES = 1600, MAX_LINE = 200 };

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

enum stage {
	STAGE_AT_TAP,
	STAGE_ARRIVES,
};

struct under_way {
	uint64_t due_ns;
	uint64_t order; /* ties keep the order in which they were put here */
	uint64_t id;    /* the packet's number; copies share it */
	enum stage stage;
	bool from_client;
	bool is_copy;
	uint16_t bytes;
	uint8_t raw[MAX_PACKET_BYTES];
};

struct relay {
	int tun[2]; /* by from_client: where packets of that end come from */
	uint64_t delay_ns[2];
	uint64_t random;
	double lost_before, lost_behind, duplicated, reordered;
	struct relay_log *log;
	struct under_way *heap[MAX_UNDER_WAY];
	unsigned n_heap;
	uint64_t order;
	uint64_t next_id;
	uint64_t active_ns; /* when something moved last */
	bool waits;         /* a settle command is unanswered */
	uint64_t wait_began_ns, wait_until_ns, wait_idle_ns;
	char line[MAX_LINE];
	unsigned line_bytes;
	bool ended;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* splitmix64: small, seedable, good enough to throw dice. */
static uint64_t random_u64(struct relay *relay)
{
	uint64_t z = relay->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static bool happens(struct relay *relay, double probability)
{
	return (double)(random_u64(relay) >> 11) * 0x1.0p-53 < probability;
}

static uint64_t random_between(struct relay *relay, uint64_t low, uint64_t high)
{
	return low + random_u64(relay) % (high - low + 1);
}

/* --- a heap by due time --- */

static bool before(const struct under_way *a, const struct under_way *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void heap_swap(struct relay *relay, unsigned a, unsigned b)
{
	struct under_way *held = relay->heap[a];

	relay->heap[a] = relay->heap[b];
	relay->heap[b] = held;
}

static void heap_push(struct relay *relay, struct under_way *packet)
{
	unsigned at = relay->n_heap++;

	packet->order = relay->order++;
	relay->heap[at] = packet;
	for (; at > 0 && before(relay->heap[at], relay->heap[(at - 1) / 2]); at = (at - 1) / 2)
		heap_swap(relay, at, (at - 1) / 2);
}

static struct under_way *heap_pop(struct relay *relay)
{
	struct under_way *first = relay->heap[0];
	unsigned at = 0;

	relay->heap[0] = relay->heap[--relay->n_heap];
	for (;;) {
		unsigned least = at;
		for (unsigned child = 2 * at + 1; child <= 2 * at + 2; child++) {
			if (child < relay->n_heap && before(relay->heap[child], relay->heap[least]))
				least = child;
		}
		if (least == at)
			return first;
		heap_swap(relay, at, least);
		at = least;
	}
}

/* --- what becomes of a packet --- */

static void send_on(struct relay *relay, const struct under_way *packet, enum stage stage, uint64_t due_ns,
		    bool is_copy)
{
	struct under_way *next = relay->n_heap < MAX_UNDER_WAY ? malloc(sizeof(*next)) : NULL;

	if (next == NULL) {
		fprintf(stderr, "relay: too many packets are under way\n");
		exit(1);
	}
	*next = *packet;
	next->stage = stage;
	next->due_ns = due_ns;
	next->is_copy = is_copy;
	heap_push(relay, next);
}

/* On with it to the next stage: late when it is to be overtaken, and perhaps twice. */
static void send_on_unsurely(struct relay *relay, const struct under_way *packet, enum stage stage, uint64_t delay_ns)
{
	uint64_t due_ns = packet->due_ns + delay_ns;
	double half_duplicated = relay->duplicated / 2;

	if (happens(relay, relay->reordered / 2))
		due_ns += random_between(relay, 2 * NS_PER_MS, 12 * NS_PER_MS);
	send_on(relay, packet, stage, due_ns, packet->is_copy);
	if (!packet->is_copy && happens(relay, half_duplicated))
		send_on(relay, packet, stage, due_ns + random_between(relay, 200 * NS_PER_US, 4 * NS_PER_MS), true);
}

static void note(struct relay *relay, const struct under_way *packet, enum relay_fate fate, uint64_t time_ns)
{
	relay_log_note(relay->log, time_ns, fate, packet->id, packet->from_client, packet->raw, packet->bytes);
}

static void leaves_host(struct relay *relay, struct under_way *packet)
{
	note(relay, packet, FATE_SENT, packet->due_ns);
	if (happens(relay, relay->lost_before)) {
		note(relay, packet, FATE_LOST_BEFORE_TAP, packet->due_ns);
		return;
	}
	send_on_unsurely(relay, packet, STAGE_AT_TAP, relay->delay_ns[packet->from_client]);
}

static void at_tap(struct relay *relay, const struct under_way *packet, uint64_t time_ns)
{
	relay_log_capture(relay->log, time_ns, packet->raw, packet->bytes);
	note(relay, packet, FATE_SEEN, time_ns);
	if (!packet->is_copy && happens(relay, relay->lost_behind)) {
		note(relay, packet, FATE_LOST_BEHIND_TAP, time_ns);
		return;
	}
	send_on_unsurely(relay, packet, STAGE_ARRIVES, relay->delay_ns[!packet->from_client]);
}

static void arrives(struct relay *relay, const struct under_way *packet, uint64_t time_ns)
{
	note(relay, packet, FATE_ARRIVED, time_ns);
	if (write(relay->tun[!packet->from_client], packet->raw, packet->bytes) < 0)
		fprintf(stderr, "relay: a packet was not delivered: %s\n", strerror(errno));
}

static void move_what_is_due(struct relay *relay)
{
	while (relay->n_heap > 0) {
		uint64_t time_ns = now_ns();
		if (relay->heap[0]->due_ns > time_ns)
			return;
		struct under_way *packet = heap_pop(relay);
		relay->active_ns = time_ns;
		if (packet->stage == STAGE_AT_TAP)
			at_tap(relay, packet, time_ns);
		else
			arrives(relay, packet, time_ns);
		free(packet);
	}
}

static void read_tun(struct relay *relay, bool from_client)
{
	for (unsigned i = 0; i < 64; i++) {
		struct under_way packet = { .from_client = from_client };
		ssize_t bytes = read(relay->tun[from_client], packet.raw, sizeof(packet.raw));
		if (bytes <= 0)
			return;
		packet.bytes = (uint16_t)bytes;
		if (!relay_log_is_relevant(packet.raw, packet.bytes))
			continue;
		packet.id = ++relay->next_id;
		packet.due_ns = now_ns();
		relay->active_ns = packet.due_ns;
		leaves_host(relay, &packet);
	}
}

/* --- commands --- */

static void answer(struct relay *relay, const char *word)
{
	relay_log_flush(relay->log);
	printf("%s %llu\n", word, (unsigned long long)relay_log_frames(relay->log));
	fflush(stdout);
}

static void command(struct relay *relay, const char *line)
{
	double idle_ms, timeout_ms;

	if (sscanf(line, "path %lf %lf %lf %lf", &relay->lost_before, &relay->lost_behind, &relay->duplicated,
		   &relay->reordered) == 4) {
		answer(relay, "ok");
	} else if (sscanf(line, "settle %lf %lf", &idle_ms, &timeout_ms) == 2) {
		relay->waits = true;
		relay->wait_began_ns = now_ns();
		relay->wait_idle_ns = (uint64_t)(idle_ms * (double)NS_PER_MS);
		relay->wait_until_ns = relay->wait_began_ns + (uint64_t)(timeout_ms * (double)NS_PER_MS);
	} else if (strcmp(line, "end") == 0) {
		relay->ended = true;
	} else {
		fprintf(stderr, "relay: not a command: %s\n", line);
		exit(2);
	}
}

static void read_commands(struct relay *relay)
{
	ssize_t bytes =
		read(STDIN_FILENO, relay->line + relay->line_bytes, sizeof(relay->line) - relay->line_bytes - 1);

	if (bytes <= 0) {
		relay->ended = true; /* whoever commands is gone */
		return;
	}
	relay->line_bytes += (unsigned)bytes;
	relay->line[relay->line_bytes] = '\0';
	for (char *end; (end = strchr(relay->line, '\n')) != NULL;) {
		*end = '\0';
		command(relay, relay->line);
		relay->line_bytes -= (unsigned)(end + 1 - relay->line);
		memmove(relay->line, end + 1, relay->line_bytes + 1);
	}
}

static void settle(struct relay *relay)
{
	uint64_t time_ns = now_ns();
	uint64_t since_ns = relay->active_ns > relay->wait_began_ns ? relay->active_ns : relay->wait_began_ns;

	if (!relay->waits)
		return;
	if (relay->n_heap == 0 && time_ns - since_ns >= relay->wait_idle_ns) {
		relay->waits = false;
		answer(relay, "quiet");
	} else if (time_ns >= relay->wait_until_ns) {
		relay->waits = false;
		answer(relay, "busy");
	}
}

static struct timespec until_next(const struct relay *relay)
{
	uint64_t time_ns = now_ns();
	uint64_t wait_ns = relay->waits ? 2 * NS_PER_MS : 50 * NS_PER_MS;

	if (relay->n_heap > 0) {
		uint64_t due_ns = relay->heap[0]->due_ns;
		uint64_t left_ns = due_ns > time_ns ? due_ns - time_ns : 0;
		wait_ns = left_ns < wait_ns ? left_ns : wait_ns;
	}
	return (struct timespec){ .tv_sec = 0, .tv_nsec = (long)wait_ns };
}

static void run(struct relay *relay)
{
	while (!relay->ended) {
		struct pollfd fds[] = {
			{ .fd = relay->tun[0], .events = POLLIN },
			{ .fd = relay->tun[1], .events = POLLIN },
			{ .fd = STDIN_FILENO, .events = POLLIN },
		};
		struct timespec wait = until_next(relay);
		ppoll(fds, 3, &wait, NULL);
		for (unsigned i = 0; i < 2; i++) {
			if (fds[i].revents != 0)
				read_tun(relay, i == 1);
		}
		move_what_is_due(relay);
		if (fds[2].revents != 0)
			read_commands(relay);
		settle(relay);
	}
}

int main(int argc, char **argv)
{
	static struct relay relay;

	if (argc != 8) {
		fprintf(stderr, "usage: relay CLIENT_TUN_FD SERVER_TUN_FD SEED NEAR_US FAR_US CAPTURE JOURNAL\n");
		return 2;
	}
	relay.tun[1] = atoi(argv[1]);
	relay.tun[0] = atoi(argv[2]);
	relay.random = strtoull(argv[3], NULL, 10);
	relay.delay_ns[1] = strtoull(argv[4], NULL, 10) * NS_PER_US;
	relay.delay_ns[0] = strtoull(argv[5], NULL, 10) * NS_PER_US;
	relay.log = relay_log_open(argv[6], argv[7]);
	if (relay.log == NULL)
		return 1;
	answer(&relay, "ok");
	run(&relay);
	return relay_log_close(relay.log) == 0 ? 0 : 1;
}
