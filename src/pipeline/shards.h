/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "batch.h"
#include "tcpwitness/detect/detect_engine.h"

struct event_log;

/*
 * All connections, spread over trackers of equal size by what both ends share. How many there are depends on the memory
 * alone, never on the number of threads, and where a connection belongs on its addresses and ports alone: so who has to
 * go when memory is full is the same on every run, whoever follows a shard. Shards know nothing of each other.
 */
struct shard {
	struct tracker *tracker;
	uint64_t due_ns;             /* see tracker_due_ns */
	struct tracker_timer latest; /* that went off; see rank_of in shards.c */
};

/*
 * Shards that one thread follows: whatever is told of them is in the order of packets, and of timers as in tracker.h.
 * A lane is a part of the shards; when nobody is at work on a lane, all shards together are one such group too.
 */
struct shard_group {
	unsigned n;
	struct shard *members[MAX_SHARDS];
	uint64_t first_due_ns;           /* the least of theirs */
	struct event_log *log;           /* where their events go, with ranks; null: where they belong at once */
	struct detect_source *detection; /* of a lane */
};

struct shards {
	unsigned n;
	unsigned n_lanes;
	struct shard shard[MAX_SHARDS];
	struct shard_group all;
	struct shard_group lanes[MAX_SHARDS]; /* shard i is in lane i modulo n_lanes */
	uint64_t now_ns;
	struct event_writer writer;
	uint64_t orphan_counts[ANOMALY_COUNT]; /* as in tracker_set_writer */
};

struct shards_config {
	struct tracker_config tracker; /* for all shards together */
	unsigned n_shards;             /* see shards_count */
	unsigned n_lanes;              /* at most as many; each is a source of the detection's, by number */
	size_t log_bytes;              /* of each lane, if there are several; see event_log_create */
};

/* How many shards there are to be. One serves an interface, or one each of its rings, whatever the memory. */
unsigned shards_count(const struct tracker_config *config, const struct capture *capture);

/* Null with *error filled on failure. */
struct shards *shards_create(const struct shards_config *config, struct detect_engine *engine,
			     const struct event_writer *writer, const char *const *source_names, struct error *error);
void shards_destroy(struct shards *shards);

/* As tracker_prepare; returns the shard that the packet belongs to. Any thread. */
unsigned shards_prepare(const struct shards *shards, const struct packet *packet, bool is_icmp_quote,
			struct tracked_packet *tracked);

/* While no lane is at work: packet time is now_ns, what is due in any shard goes off. */
void shards_advance(struct shards *shards, uint64_t now_ns, uint64_t packet_number);

/* The same: packet time before which nothing is due in any shard; UINT64_MAX = nothing is. */
uint64_t shards_due_ns(const struct shards *shards);

/* While no lane is at work: all frames of the stretch, one after the other. */
void shards_follow(struct shards *shards, const struct batch *batch, const struct stretch *stretch);

/* At the end of a run: records of what is left, in the order of their ids. */
void shards_finish(struct shards *shards);

/* The same for whoever works on a lane, after shards_pass_last. False: the log is full, see shard_group_fire. */
struct event_rank;
void shards_pass_last(struct shards *shards);
bool shard_group_record_left(struct shard_group *group, struct event_rank *stopped_at);

/* Lanes were at work, up to now_ns. */
void shards_resume(struct shards *shards, uint64_t now_ns);

/* For whoever works on a lane. Events of its shards go to its log from now on; and no longer. */
void shard_group_begin(struct shard_group *lane);
void shard_group_end(struct shard_group *lane, struct shards *shards);

/*
 * What is due at now_ns goes off, with the frame of this number in its batch. False: the log is full, *stopped_at is
 * what would come next.
 */
bool shard_group_fire(struct shard_group *group, uint64_t now_ns, uint64_t packet_number, uint32_t frame,
		      struct event_rank *stopped_at);

/* The shard follows a frame of its own, when nothing is due any more. */
void shard_group_follow(struct shard_group *group, struct shard *shard, const struct decoded_frame *frame);

/* What the shards are to do with the frames that one thread follows next, one after the other. */
struct burst {
	unsigned n; /* of its frames that are tracked */
	struct tracker_errand errands[BURST_FRAMES];
};

static inline void burst_add(struct burst *burst, const struct shards *shards, const struct decoded_frame *frame)
{
	burst->errands[burst->n].tracker = shards->shard[frame->shard].tracker;
	burst->errands[burst->n].tracked = &frame->tracked;
	burst->n += is_tracked(frame->result);
}

/* When all are in it: what will be looked at for them is fetched. */
static inline void burst_fetch(struct burst *burst)
{
	if (burst->n > 1)
		tracker_fetch(burst->errands, burst->n);
}

/* All that of the frames of the batch from first on, at most BURST_FRAMES, and none of end or later. */
void shards_fetch(const struct shards *shards, const struct batch *batch, uint32_t first, uint32_t end);

/* Sums over all of them. */
struct shards_stats {
	struct tracker_stats tracker;
	struct flow_table_stats table;
	struct syn_store_stats syn_store;
	struct tombstones_stats tombstones;
	uint64_t evicted; /* as tracker_evicted */
};

void shards_get_stats(const struct shards *shards, struct shards_stats *stats);
