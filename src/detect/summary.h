/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/detect/flow_signal.h"

#include "hyperloglog.h"

/*
 * What detectors read (design 1.7): for each key (a service, a host, a prefix, a source, a pair, the sensor itself) one
 * value that counts what became of connections. It is made by one tracker (summary_table.h), and those of several
 * trackers or sensors merge into one: every member is a sum, a maximum, or a union, kept apart by numbered spans of
 * packet time, so the order and grouping of merging do not matter. A summary is cumulative, so a later one of the same
 * source replaces an earlier one: that makes merging idempotent for each source.
 *
 * Outcomes are counted in *cohorts*: what becomes of an attempt is credited to the slot of time in which the attempt
 * began. So the share of a slot's attempts that completed is exact however long a handshake takes, and a surge of
 * attempts that complete 300 ms later is never, not even for a moment, a surge of attempts that do not complete.
 */
enum summary_kind {
	SUMMARY_SERVICE = 0, /* ip and port of a server */
	SUMMARY_HOST,        /* ip of a server, over all its ports */
	SUMMARY_PREFIX,      /* /24 (IPv4) or /64 (IPv6) of servers; ip has the bits behind it cleared */
	SUMMARY_SOURCE,      /* ip of a client or sender */
	SUMMARY_PAIR,        /* client's ip, server's ip and port */
	SUMMARY_SENSOR,      /* everything; no address */
	SUMMARY_KINDS,       /* not a kind */
};

struct summary_key {
	struct ip_addr ip; /* version 0 = none */
	struct ip_addr client;
	uint16_t port; /* 0 but for SERVICE and PAIR */
	uint8_t kind;  /* enum summary_kind */
	uint8_t prefix_bits;
};
_Static_assert(sizeof(struct summary_key) == 38, "keys are hashed as bytes and must have no padding");

/*
 * Of a SERVICE, HOST, PREFIX: of connections to it. Of a SOURCE: of connections from it. Of a PAIR: only COMPLETED,
 * CLOSED, TIME_WAIT and what belongs to them. Of the SENSOR: of all.
 */
enum summary_counter {
	/* In cohorts too. */
	SUMMARY_ATTEMPTS = 0,
	SUMMARY_ANSWERED,         /* by SYN-ACK */
	SUMMARY_COMPLETED,        /* handshakes */
	SUMMARY_REFUSED,          /* by RST */
	SUMMARY_UNREACHABLE,      /* by ICMP */
	SUMMARY_UNANSWERED,       /* no answer by the tracker's deadline; one may have come later */
	SUMMARY_STILL_HALF_OPEN,  /* no third ACK by the tracker's deadline; one may have come later */
	SUMMARY_HALF_OPEN_ENDED,  /* of the answered: no longer half open */
	SUMMARY_RETRIED,          /* attempts whose SYN was sent again, as real stacks do */
	SUMMARY_RETRIED_SETTLED,  /* of the retried: completed, refused or unreachable */
	SUMMARY_SYNACK_REPEATERS, /* attempts whose SYN-ACK the server sent again of its own accord: it holds state */
	SUMMARY_REPEATERS_ENDED,  /* of these: no longer half open, however that ended */
	SUMMARY_CLIENT_RESET,     /* attempts reset by the client after the SYN-ACK */
	SUMMARY_BARE_SYNACKS,     /* answered with options stripped (SYN cookies for a client without timestamps) */
	SUMMARY_COHORT_COUNTERS,  /* not a counter: those below have totals only */
	/* Events. */
	SUMMARY_SYNS_REPEATED = SUMMARY_COHORT_COUNTERS, /* each repetition */
	SUMMARY_SYNACKS_REPEATED,
	SUMMARY_SYNACKS_AFTER_ACK, /* each */
	SUMMARY_ACKS_DROPPED,      /* connections with one of these at least */
	SUMMARY_DATA_IGNORED,      /* connections */
	SUMMARY_CLOSED,            /* connections that had completed and are over */
	SUMMARY_SPOKEN,            /* connections whose client sent payload */
	SUMMARY_CLOSED_UNSPOKEN,   /* completed, over, and the client never sent payload */
	SUMMARY_RST_SUSPECTS,      /* connections with at least one */
	SUMMARY_RST_CONTRADICTED,  /* RSTs by their suspicion, each */
	SUMMARY_RST_FORGED,        /* of the contradicted: of another distance, or out of step in their numbers */
	SUMMARY_RST_PROBES,
	SUMMARY_JOINED,
	SUMMARY_STRAYS, /* by enum flow_stray: received by a target, sent by a source */
	SUMMARY_STRAYS_LAST = SUMMARY_STRAYS + STRAY_COUNT - 1,
	SUMMARY_STRAYS_CLAIMED, /* connections that showed that what had seemed stray belonged to them */
	/* Begun and over: the difference is a gauge (summary_gauge). */
	SUMMARY_TIME_WAIT, /* of the client */
	SUMMARY_TIME_WAIT_OVER,
	SUMMARY_TIME_WAIT_REUSED, /* of those over: before their time */
	SUMMARY_SERVER_TIME_WAIT,
	SUMMARY_SERVER_TIME_WAIT_OVER,
	SUMMARY_STALLED, /* SERVICE, HOST: clients that do not take what the server sends. SOURCE: it is that client */
	SUMMARY_STALLED_OVER,
	SUMMARY_CLOSE_WAIT, /* SERVICE, HOST: of the server. SOURCE: of the client */
	SUMMARY_CLOSE_WAIT_OVER,
	SUMMARY_FIN_WAIT_2,
	SUMMARY_FIN_WAIT_2_OVER,
	SUMMARY_LAST_ACK,
	SUMMARY_LAST_ACK_OVER,
	SUMMARY_COUNTERS, /* not a counter */
};

/* 8 s of cohorts. A detector must have judged a cohort before its slot is used again. */
#define SUMMARY_SLOT_NS (250 * NS_PER_MS)
enum { SUMMARY_SLOTS = 32 };

struct summary_slot {
	uint64_t number; /* packet time / SUMMARY_SLOT_NS */
	uint32_t counts[SUMMARY_COHORT_COUNTERS];
};

/*
 * Gauges by age: what is still so, by when it began. A bucket is 5 s; what began before the oldest one is old. Only of
 * SERVICE and SOURCE keys.
 */
enum summary_gauge {
	GAUGE_UNSPOKEN = 0, /* established, and the client has sent no payload yet */
	GAUGE_STALLED,
	GAUGE_CLOSE_WAIT,
	GAUGE_FIN_WAIT_2,
	GAUGE_LAST_ACK,
	SUMMARY_GAUGES, /* not a gauge */
};

#define SUMMARY_AGE_NS (5 * NS_PER_SEC)
enum { SUMMARY_AGES = 16 };

struct summary_age {
	uint64_t number; /* packet time / SUMMARY_AGE_NS */
	int32_t counts[SUMMARY_GAUGES];
};

struct summary_ages {
	struct summary_age buckets[SUMMARY_AGES]; /* by number % SUMMARY_AGES */
};

/*
 * Half-open connections that the server provably keeps, for it repeated their SYN-ACK of its own accord: by the slot in
 * which it gives them up, as far as the times of its repetitions tell, or in which they ended. So the server's own
 * count is known for the near past and the future (detection science, L4: half of a full queue is given up after 7 s,
 * the rest after 63 s), and what answers with SYN cookies never counts. Only of SERVICE keys.
 */
enum { SUMMARY_HELD_SLOTS = 272, SUMMARY_HELD_PAST_SLOTS = 12 };

struct summary_held {
	uint64_t first;                    /* slot number; what ended before is forgotten */
	uint32_t ends[SUMMARY_HELD_SLOTS]; /* by slot number % SUMMARY_HELD_SLOTS */
};

/* How finely fingerprints of SYNs (TTL class, window, option layout) are told apart. */
enum { SUMMARY_FINGERPRINTS = 32 };

/*
 * A uniform sample of the connections that were added to a crowd: those whose keyed hash is smallest. The union of two
 * samples is the sample of the union. While no more than SUMMARY_SAMPLE connections were added it holds them all.
 */
enum { SUMMARY_SAMPLE = 32 };

struct summary_sampled {
	uint64_t flow_id;
	struct ip_addr client;
	struct ip_addr server;
	uint16_t client_port;
	uint16_t server_port;
	uint16_t window;
	uint8_t ttl;
	/* What it leaves in sketches: places and ranks. Known as long as the crowd is not sketched. */
	uint16_t source_mark;
	uint16_t server_mark;
	uint16_t endpoint_mark;
	uint32_t syn_layout;
	uint32_t isn;
};
_Static_assert(sizeof(struct summary_sampled) == 64, "one is written in a line of a processor's cache");

/* Few spans fill a sample: it has room for as many as came, some at a time. */
enum { SUMMARY_PLACES = 4, SUMMARY_PLACE_BLOCKS = SUMMARY_SAMPLE / SUMMARY_PLACES };

struct summary_places {
	struct summary_sampled sampled[SUMMARY_PLACES];
};

/* Who took part in something during one span of time, and how alike they look. */
#define SUMMARY_SPAN_NS (4 * NS_PER_SEC)

/* How many different ones took part, and how alike they look, of any number of connections. */
struct summary_sketches {
	uint32_t fingerprints[SUMMARY_FINGERPRINTS];
	struct hyperloglog sources;         /* clients' or senders' addresses */
	struct hyperloglog_small servers;   /* addresses that were asked */
	struct hyperloglog_small ports;     /* ports that were asked */
	struct hyperloglog_small endpoints; /* address and port together */
};

/*
 * As long as the sample holds all connections it tells what sketches would, and most crowds are that small. Sketches
 * are begun with the first connection that it has no room for, or that joins again.
 *
 * Whoever comes into the sample moves what says the order, and nobody who is in it. The last priority, which decides
 * about most of many, stands beside what each of them needs.
 */
struct summary_crowd {
	uint8_t places[SUMMARY_SAMPLE];      /* in the sample, by rank */
	uint64_t priorities[SUMMARY_SAMPLE]; /* by rank, the smallest first; 0 = nobody */
	uint64_t span;                       /* packet time / SUMMARY_SPAN_NS */
	uint64_t connections;
	struct summary_sketches *sketches; /* room for them, perhaps not begun; null = none */
	uint32_t n_sampled;
	bool is_sketched;
	struct summary_places *sample[SUMMARY_PLACE_BLOCKS]; /* the first n_sampled places are taken; null = no room */
};
_Static_assert(sizeof(struct summary_crowd) % 64 == 0, "where one begins a line, so does the next");

/* All that a crowd may need. */
struct summary_crowd_room {
	struct summary_sketches sketches;
	struct summary_places sample[SUMMARY_PLACE_BLOCKS];
};

/* With room of its own, to which it points: see summary_crowd_give_room. */
struct summary_whole_crowd {
	struct summary_crowd crowd;
	struct summary_crowd_room room;
};

enum summary_crowd_kind {
	CROWD_TRYING = 0, /* attempts */
	/*
	 * Attempts that were refused, or reset by their client after the SYN-ACK, or came to nothing by the tracker's
	 * deadline; each once.
	 */
	CROWD_FAILING,
	CROWD_ANSWERED, /* attempts that got a SYN-ACK. Only of a SOURCE: what it found open */
	CROWD_STRAY,    /* segments that belong to no connection */
	SUMMARY_CROWDS, /* not a kind */
};

/* The present span and the one before. Only keys that deserve attention have them, see summary_table.h. */
struct summary_crowds {
	struct summary_crowd spans[2]; /* by the span's lowest bit */
};

/* How long handshakes with a target took, SYN to third ACK: bucket i has those of at least 2^i * 64 us. */
enum { SUMMARY_RTT_BUCKETS = 16 };

/* How much happens to the key now, in the span that holds the last of it: decides whether it deserves attention. */
struct summary_recent {
	uint64_t span; /* packet time / SUMMARY_SPAN_NS */
	uint32_t attempts;
	uint32_t signs; /* of trouble: attempts that failed, strays, resets in doubt, segments a server ignored */
};

struct port_use; /* port_use.h: of a PAIR, how it uses up the client's ports */

/* What every signal needs stands together, in front: a table's records are seldom in a processor's cache. */
struct summary {
	uint64_t since_ns;  /* it counts connections that began since then; 0 = none yet */
	uint64_t latest_ns; /* of the last signal counted */
	struct summary_recent recent;
	/* Parts that only some kinds have, or only keys that deserve attention; null = none. Owned by the table. */
	struct summary_slot *slots; /* SUMMARY_SLOTS; none yet: all began in one slot, see summary_begin_slots */
	struct summary_ages *ages;
	uint64_t totals[SUMMARY_COUNTERS];
	struct summary_crowds *crowds[SUMMARY_CROWDS];
	struct summary_held *held; /* SERVICE, from its first repeated SYN-ACK on */
	struct port_use *ports;
	uint32_t handshakes[SUMMARY_RTT_BUCKETS];
};

/* Sums the cohorts first .. last (slot numbers, both included) that are still known. False: none is, all sums are 0. */
bool summary_sum(const struct summary *summary, uint64_t first, uint64_t last,
		 uint64_t counts[static SUMMARY_COHORT_COUNTERS]);

/* One counter of the cohort of one slot; 0 if it is not known any more. */
uint64_t summary_cohort(const struct summary *summary, enum summary_counter counter, uint64_t slot);

/* Connections that are half open now, whatever their age. */
uint64_t summary_half_open(const struct summary *summary);

/* One attempt is kept until until_ns; what was said of it before was before_ns, 0 = nothing. At now_ns. */
void summary_held_move(struct summary_held *held, uint64_t before_ns, uint64_t until_ns, uint64_t now_ns);

/* How many are kept at the end of a slot that is not older than SUMMARY_HELD_PAST_SLOTS. */
uint64_t summary_held_at(const struct summary_held *held, uint64_t slot);

void summary_held_merge(struct summary_held *into, const struct summary_held *from);

/* Attempts that came to nothing, given cohorts whose deadline has passed. Refused ones are an answer, and no part. */
uint64_t summary_incomplete(const uint64_t counts[static SUMMARY_COHORT_COUNTERS]);

/*
 * How many are so now; and of them, those that have been so since before since_ns, as if those that began within the
 * same SUMMARY_AGE_NS had begun evenly; rounded down.
 */
uint64_t summary_gauge(const struct summary *summary, enum summary_gauge gauge);
uint64_t summary_old_gauge(const struct summary *summary, enum summary_gauge gauge, uint64_t since_ns);

/* The crowd of the span that holds now_ns, or of the one before it; null when none is known. */
const struct summary_crowd *summary_crowd_now(const struct summary *summary, enum summary_crowd_kind kind,
					      uint64_t now_ns);
const struct summary_crowd *summary_crowd_before(const struct summary *summary, enum summary_crowd_kind kind,
						 uint64_t now_ns);

static inline struct summary_sampled *summary_crowd_at_place(const struct summary_crowd *crowd, unsigned place)
{
	return &crowd->sample[place / SUMMARY_PLACES]->sampled[place % SUMMARY_PLACES];
}

/* Who is in the sample: rank is less than n_sampled, and who has rank 0 the smallest priority. */
static inline const struct summary_sampled *summary_crowd_sampled(const struct summary_crowd *crowd, unsigned rank)
{
	return summary_crowd_at_place(crowd, crowd->places[rank]);
}

/* Estimates of how many different ones there are in the crowd. */
double summary_crowd_sources(const struct summary_crowd *crowd);
double summary_crowd_servers(const struct summary_crowd *crowd);
double summary_crowd_ports(const struct summary_crowd *crowd);

/* Adds those of the crowd. */
void summary_crowd_add_sources(struct hyperloglog *to, const struct summary_crowd *crowd);
void summary_crowd_add_servers(struct hyperloglog_small *to, const struct summary_crowd *crowd);
void summary_crowd_add_ports(struct hyperloglog_small *to, const struct summary_crowd *crowd);
void summary_crowd_add_endpoints(struct hyperloglog_small *to, const struct summary_crowd *crowd);

/* What sketches of the crowd hold, whether it has any or not. */
void summary_crowd_sketch(const struct summary_crowd *crowd, struct summary_sketches *sketches);

/* How many connections look so and so. */
void summary_crowd_fingerprints(const struct summary_crowd *crowd, uint32_t counts[static SUMMARY_FINGERPRINTS]);

/* Diversity of the SYNs' fingerprints in bits, 0 (all alike) .. 5. */
double summary_crowd_entropy(const struct summary_crowd *crowd);

/*
 * Takes what from knows into into, part by part, where into has the part. Associative and commutative; a zeroed
 * summary (with zeroed parts) is its neutral element. Of crowds of two spans the later one counts. Crowds that
 * take others in have room for all that they may need.
 */
void summary_merge(struct summary *into, const struct summary *from);
void summary_crowd_merge(struct summary_crowd *into, const struct summary_crowd *from);

/* The same over spans: into becomes the crowd of both. */
void summary_crowd_union(struct summary_crowd *into, const struct summary_crowd *from);

/* into becomes like from, for which it should have room. */
void summary_crowd_copy(struct summary_crowd *into, const struct summary_crowd *from);

/* --- for whoever fills summaries --- */

static inline uint32_t summary_add_saturated(uint32_t a, uint32_t b)
{
	return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

/* The slot is that of another cohort from now on. */
void summary_begin_slot(struct summary_slot *slot, uint64_t number);

/*
 * One more attempt, or one more of what became of an attempt that began at since_ns, or in the slot with this number. A
 * counter of the cohorts.
 */
static inline void summary_count_in(struct summary *summary, enum summary_counter counter, uint64_t number)
{
	summary->totals[counter]++;
	if (summary->slots == NULL)
		return;
	struct summary_slot *slot = &summary->slots[number % SUMMARY_SLOTS];
	if (number > slot->number)
		summary_begin_slot(slot, number);
	if (number == slot->number)
		slot->counts[counter] = summary_add_saturated(slot->counts[counter], 1);
}

static inline void summary_count(struct summary *summary, enum summary_counter counter, uint64_t since_ns)
{
	summary_count_in(summary, counter, since_ns / SUMMARY_SLOT_NS);
}

static inline void summary_add_recent(struct summary *summary, const struct summary_recent *more)
{
	struct summary_recent *recent = &summary->recent;

	if (more->span > recent->span) {
		*recent = *more;
	} else if (more->span == recent->span) {
		recent->attempts = summary_add_saturated(recent->attempts, more->attempts);
		recent->signs = summary_add_saturated(recent->signs, more->signs);
	}
}

static inline void summary_count_recent(struct summary *summary, uint32_t attempts, uint32_t signs, uint64_t now_ns)
{
	const struct summary_recent recent = { now_ns / SUMMARY_SPAN_NS, attempts, signs };

	summary_add_recent(summary, &recent);
}

/* A handshake that took so long; and which bucket that is. */
unsigned summary_rtt_bucket(uint64_t took_ns);
void summary_count_rtt(struct summary *summary, unsigned bucket);

static inline void summary_count_handshake(struct summary *summary, uint64_t took_ns)
{
	summary_count_rtt(summary, summary_rtt_bucket(took_ns));
}

/* One more (change 1) or one less (-1) of what began at since_ns. The totals are the caller's matter, before. */
void summary_count_age(struct summary *summary, enum summary_gauge gauge, int change, uint64_t since_ns);

/*
 * As long as all that began, began within one slot (that of since_ns), the totals say everything, and a summary needs
 * no slots and no ages. These give it some; nothing is lost.
 */
void summary_begin_slots(struct summary *summary, struct summary_slot *slots);
void summary_begin_ages(struct summary *summary, struct summary_ages *ages);

/*
 * What crowds keep of a signal, the same in each of them. All hashes are under one public key, or crowds of different
 * sensors would not merge.
 */
struct summary_hashes {
	struct hyperloglog_mark client;
	struct hyperloglog_mark server;
	struct hyperloglog_mark port;
	struct hyperloglog_mark endpoint;
	uint32_t fingerprint;
	uint64_t sample; /* a priority in samples */
	/* Of whom server, port and endpoint are. */
	uint64_t server_hash;
	uint16_t server_port;
};

uint64_t summary_address_hash(const struct ip_addr *address);

/*
 * client, server: summary_address_hash of the signal's ends. *hashes: zeroed, or those of another signal, which as a
 * rule is about the same server.
 */
void summary_hashes_update(struct summary_hashes *hashes, const struct flow_signal *signal, uint64_t client,
			   uint64_t server);

static inline struct summary_hashes summary_hashes_of(const struct flow_signal *signal, uint64_t client,
						      uint64_t server)
{
	struct summary_hashes hashes = { .sample = 0 };

	summary_hashes_update(&hashes, signal, client, server);
	return hashes;
}

void summary_crowd_give_room(struct summary_crowd *crowd, struct summary_crowd_room *room);

/*
 * With whoever has this priority the sample alone tells no longer what sketches would: it is full, or has it already,
 * and one that joins twice counts twice.
 */
static inline bool summary_crowd_outgrows_sample(const struct summary_crowd *crowd, uint64_t priority)
{
	bool is_sampled = false;

	if (crowd->is_sketched || crowd->n_sampled == SUMMARY_SAMPLE)
		return !crowd->is_sketched;
	for (unsigned i = 0; i < crowd->n_sampled; i++)
		is_sampled |= crowd->priorities[i] == priority;
	return is_sampled;
}

/* For whoever has this priority it needs places in the sample, or sketches. */
static inline bool summary_crowd_needs_room(const struct summary_crowd *crowd, uint64_t priority)
{
	if (crowd->n_sampled < SUMMARY_SAMPLE && crowd->sample[crowd->n_sampled / SUMMARY_PLACES] == NULL)
		return true;
	return crowd->sketches == NULL && summary_crowd_outgrows_sample(crowd, priority);
}

/* kind: of the key whose crowd it is. Without the room that it needs, estimates are those of the first that came. */
void summary_crowd_add(struct summary_crowd *crowd, enum summary_kind kind, const struct flow_signal *signal,
		       const struct summary_hashes *hashes);

/* Where to write who has that priority; null: it is in the sample already, or comes behind all, or has no room. */
struct summary_sampled *summary_crowd_take_place(struct summary_crowd *crowd, uint64_t priority);

/* The crowd that collects in a span, or at now_ns; null when that span is over. */
struct summary_crowd *summary_crowd_of_span(struct summary_crowds *crowds, uint64_t span);

static inline struct summary_crowd *summary_crowd_at(struct summary_crowds *crowds, uint64_t now_ns)
{
	return summary_crowd_of_span(crowds, now_ns / SUMMARY_SPAN_NS);
}
