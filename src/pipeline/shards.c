/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many trackers that behave as one: packets one after the other, timers and last records in the order that one
 * tracker would have.
 */
#include "shards.h"

#include <stdlib.h>
#include <string.h>

#include "event_log.h"
#include "tcpwitness/base/word.h"

/* So much for flows of each shard: with less, the odds of who shares a shard with whom would tell. */
enum { SHARD_MIN_TABLE_BYTES = 4 << 20, MAX_SHARDS_OF_FILES = 4 };

_Static_assert((MAX_SHARDS_OF_FILES & (MAX_SHARDS_OF_FILES - 1)) == 0, "shards are chosen by the bits of a hash");
_Static_assert((int)MAX_SHARDS_OF_FILES <= (int)MAX_SHARDS, "all find room");
_Static_assert((int)CAPTURE_MAX_RINGS <= (int)MAX_SHARDS, "all find room");

unsigned shards_count(const struct tracker_config *config, const struct capture *capture)
{
	unsigned n = 1;

	if (capture_is_live(capture))
		return (unsigned)capture_n_rings(capture);
	while (n < MAX_SHARDS_OF_FILES && config->table.memory_bytes / n / 2 >= SHARD_MIN_TABLE_BYTES)
		n *= 2;
	return n;
}

/* --- where a connection belongs --- */

/*
 * Not keyed: a capture is to be read alike every time. All that somebody who knows it can do is to have his own
 * connections share less memory; the tables behind it are keyed. What tells VLANs apart is keyed too, so it is left
 * out.
 */
static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
	return hash ^ hash >> 32;
}

/* Four bytes of each address. */
static uint64_t mix_addrs(uint64_t hash, const struct flow_key *key, size_t at)
{
	return mix(hash, (uint64_t)word_load32(&key->addr[0][at]) << 32 | word_load32(&key->addr[1][at]));
}

static unsigned shard_of(const struct shards *shards, const struct flow_key *key)
{
	uint64_t hash = (uint64_t)key->port[0] << 16 | key->port[1];

	if (shards->n == 1)
		return 0;
	hash = mix_addrs(hash, key, 0);
	for (size_t at = 4; key->ip_version == 6 && at < sizeof(key->addr[0]); at += 4)
		hash = mix_addrs(hash, key, at);
	return (unsigned)(mix(hash, 0) >> 40) & (shards->n - 1);
}

unsigned shards_prepare(const struct shards *shards, const struct packet *packet, bool is_icmp_quote,
			struct tracked_packet *tracked)
{
	/* What names a connection is the same in all shards. */
	tracker_prepare(shards->shard[0].tracker, packet, is_icmp_quote, tracked);
	return shard_of(shards, &tracked->key);
}

/* --- timers --- */

static void renew_first_due(struct shard_group *group)
{
	group->first_due_ns = UINT64_MAX;
	for (unsigned i = 0; i < group->n; i++) {
		if (group->members[i]->due_ns < group->first_due_ns)
			group->first_due_ns = group->members[i]->due_ns;
	}
}

/* A shard of which something is due, and what. */
struct due_shard {
	struct shard *shard;
	struct tracker_timer timer;
};

/*
 * Timers of one time and class go off in the order of their queue. One that stands behind another there comes behind
 * it for all shards, whatever its flow id; so what a shard tells is in order, even to those who do not see all of it.
 */
static bool find_timer(struct due_shard *due, uint64_t now_ns)
{
	const struct tracker_timer *latest = &due->shard->latest;

	due->shard->due_ns = tracker_due_ns(due->shard->tracker);
	if (due->shard->due_ns > now_ns)
		return false;
	if (!tracker_first_timer(due->shard->tracker, &due->timer)) {
		due->shard->due_ns = tracker_due_ns(due->shard->tracker);
		return false;
	}
	if (latest->due_ns == due->timer.due_ns && latest->flow_class == due->timer.flow_class &&
	    latest->flow_id > due->timer.flow_id)
		due->timer.flow_id = latest->flow_id;
	return true;
}

static unsigned find_due(struct shard_group *group, uint64_t now_ns, uint64_t packet_number, struct due_shard *due)
{
	unsigned n = 0;

	for (unsigned i = 0; i < group->n; i++) {
		if (group->members[i]->due_ns > now_ns)
			continue;
		tracker_pass_time(group->members[i]->tracker, now_ns, packet_number);
		due[n].shard = group->members[i];
		n += find_timer(&due[n], now_ns);
	}
	return n;
}

static struct due_shard *first_of(struct due_shard *due, unsigned n)
{
	struct due_shard *first = due;

	for (unsigned i = 1; i < n; i++) {
		if (tracker_timer_is_before(&due[i].timer, &first->timer))
			first = &due[i];
	}
	return first;
}

bool shard_group_fire(struct shard_group *group, uint64_t now_ns, uint64_t packet_number, uint32_t frame,
		      struct event_rank *stopped_at)
{
	struct due_shard due[MAX_SHARDS];
	unsigned n = find_due(group, now_ns, packet_number, due);

	while (n > 0) {
		struct due_shard *first = first_of(due, n);
		if (group->log != NULL) {
			*stopped_at = (struct event_rank){ .frame = frame, .timer = first->timer };
			if (!event_log_begin(group->log, stopped_at))
				return false;
		}
		first->shard->latest = first->timer;
		tracker_fire(first->shard->tracker);
		if (!find_timer(first, now_ns))
			*first = due[--n];
	}
	renew_first_due(group);
	return true;
}

void shards_advance(struct shards *shards, uint64_t now_ns, uint64_t packet_number)
{
	struct event_rank none;

	if (now_ns > shards->now_ns)
		shards->now_ns = now_ns;
	if (shards->all.first_due_ns <= shards->now_ns)
		shard_group_fire(&shards->all, shards->now_ns, packet_number, 0, &none);
}

uint64_t shards_due_ns(const struct shards *shards)
{
	return shards->all.first_due_ns;
}

/* --- frames --- */

void shard_group_follow(struct shard_group *group, struct shard *shard, const struct decoded_frame *frame)
{
	if (is_tracked(frame->result))
		tracker_follow(shard->tracker, &frame->tracked);
	else
		tracker_orphan_anomalies(shard->tracker, &frame->packet);
	shard->due_ns = tracker_due_ns(shard->tracker);
	if (shard->due_ns < group->first_due_ns)
		group->first_due_ns = shard->due_ns;
}

void shards_fetch(const struct shards *shards, const struct batch *batch, uint32_t first, uint32_t end)
{
	struct burst burst;

	burst.n = 0;
	if (end - first > BURST_FRAMES)
		end = first + BURST_FRAMES;
	for (uint32_t i = first; i < end; i++)
		burst_add(&burst, shards, &batch->frames[i]);
	burst_fetch(&burst);
}

void shards_follow(struct shards *shards, const struct batch *batch, const struct stretch *stretch)
{
	uint32_t fetched = stretch->first;

	for (uint32_t i = stretch->first; i < stretch->end; i++) {
		const struct decoded_frame *frame = &batch->frames[i];
		if (i == fetched) {
			shards_fetch(shards, batch, i, stretch->end);
			fetched += BURST_FRAMES;
		}
		shards_advance(shards, batch->now_ns[i], batch_number(batch, i));
		if (is_followed(frame->result))
			shard_group_follow(&shards->all, &shards->shard[frame->shard], frame);
	}
}

void shards_resume(struct shards *shards, uint64_t now_ns)
{
	shards->now_ns = now_ns;
	renew_first_due(&shards->all);
}

void shard_group_begin(struct shard_group *lane)
{
	const struct event_writer writer = event_log_writer(lane->log);

	for (unsigned i = 0; i < lane->n; i++)
		tracker_set_writer(lane->members[i]->tracker, &writer, NULL);
	renew_first_due(lane);
}

void shard_group_end(struct shard_group *lane, struct shards *shards)
{
	for (unsigned i = 0; i < lane->n; i++)
		tracker_set_writer(lane->members[i]->tracker, &shards->writer, shards->orphan_counts);
}

/* --- what is left at the end --- */

/* A shard in which something is left, and the least id of that. */
struct left_shard {
	struct shard *shard;
	uint64_t flow_id;
};

static unsigned find_left(struct shard_group *group, struct left_shard *left)
{
	unsigned n = 0;

	for (unsigned i = 0; i < group->n; i++) {
		left[n].shard = group->members[i];
		n += tracker_first_left(group->members[i]->tracker, &left[n].flow_id);
	}
	return n;
}

static struct left_shard *least_of(struct left_shard *left, unsigned n)
{
	struct left_shard *least = left;

	for (unsigned i = 1; i < n; i++) {
		if (left[i].flow_id < least->flow_id)
			least = &left[i];
	}
	return least;
}

bool shard_group_record_left(struct shard_group *group, struct event_rank *stopped_at)
{
	struct left_shard left[MAX_SHARDS];
	unsigned n = find_left(group, left);

	while (n > 0) {
		struct left_shard *least = least_of(left, n);
		if (group->log != NULL) {
			*stopped_at = (struct event_rank){ .timer = { .flow_id = least->flow_id } };
			if (!event_log_begin(group->log, stopped_at))
				return false;
		}
		tracker_record_left(least->shard->tracker);
		if (!tracker_first_left(least->shard->tracker, &least->flow_id))
			*least = left[--n];
	}
	return true;
}

void shards_pass_last(struct shards *shards)
{
	for (unsigned i = 0; i < shards->n; i++)
		tracker_pass_time(shards->shard[i].tracker, shards->now_ns, 0);
}

void shards_finish(struct shards *shards)
{
	struct event_rank none;

	shards_pass_last(shards);
	shard_group_record_left(&shards->all, &none);
}

/* --- counters --- */

/* Structs of counters are summed as arrays, so that none can be forgotten. */
static void add(void *to, const void *from, size_t bytes)
{
	uint64_t *sums = to;
	const uint64_t *counters = from;

	for (size_t i = 0; i < bytes / sizeof(*sums); i++)
		sums[i] += counters[i];
}

_Static_assert(sizeof(struct shards_stats) % sizeof(uint64_t) == 0, "counters and nothing else");

void shards_get_stats(const struct shards *shards, struct shards_stats *stats)
{
	*stats = (struct shards_stats){ .evicted = 0 };
	for (unsigned i = 0; i < shards->n; i++) {
		const struct tracker *tracker = shards->shard[i].tracker;
		add(&stats->tracker, tracker_get_stats(tracker), sizeof(stats->tracker));
		add(&stats->table, tracker_get_table_stats(tracker), sizeof(stats->table));
		add(&stats->syn_store, tracker_get_syn_stats(tracker), sizeof(stats->syn_store));
		add(&stats->tombstones, tracker_get_tombstone_stats(tracker), sizeof(stats->tombstones));
		stats->evicted += tracker_evicted(tracker);
	}
}

/* --- life cycle --- */

static struct tracker_config share_of(const struct tracker_config *config, unsigned n)
{
	struct tracker_config share = *config;

	share.table.memory_bytes /= n;
	share.syn_store.memory_bytes /= n;
	share.tombstones.memory_bytes /= n;
	share.recent_bytes /= n;
	return share;
}

static void join(struct shard_group *group, struct shard *shard)
{
	group->members[group->n++] = shard;
}

static bool create_shard(struct shards *shards, const struct tracker_config *config, struct detect_engine *engine,
			 const char *const *source_names, struct error *error)
{
	unsigned lane = shards->n % shards->n_lanes;
	struct shard *shard = &shards->shard[shards->n];

	struct detect_source *detection = detect_engine_source(engine, lane);

	shards->lanes[lane].detection = detection;
	shard->tracker = tracker_create(config, detection, &shards->writer, source_names, error);
	if (shard->tracker == NULL)
		return false;
	tracker_set_writer(shard->tracker, &shards->writer, shards->orphan_counts);
	shard->due_ns = UINT64_MAX;
	join(&shards->all, shard);
	join(&shards->lanes[lane], shard);
	shards->n++;
	return true;
}

static bool create_logs(struct shards *shards, size_t log_bytes, struct error *error)
{
	for (unsigned i = 0; i < shards->n_lanes && shards->n_lanes > 1; i++) {
		shards->lanes[i].log = event_log_create(log_bytes, shards->writer.unwanted, error);
		if (shards->lanes[i].log == NULL)
			return false;
	}
	return true;
}

struct shards *shards_create(const struct shards_config *config, struct detect_engine *engine,
			     const struct event_writer *writer, const char *const *source_names, struct error *error)
{
	const struct tracker_config share = share_of(&config->tracker, config->n_shards);
	struct shards *shards = calloc(1, sizeof(*shards));

	if (shards == NULL) {
		error_set(error, "out of memory: no room for the trackers");
		return NULL;
	}
	shards->writer = *writer;
	shards->n_lanes = config->n_lanes;
	while (shards->n < config->n_shards) {
		if (!create_shard(shards, &share, engine, source_names, error))
			goto fail;
	}
	if (!create_logs(shards, config->log_bytes, error))
		goto fail;
	renew_first_due(&shards->all);
	return shards;
fail:
	shards_destroy(shards);
	return NULL;
}

void shards_destroy(struct shards *shards)
{
	if (shards == NULL)
		return;
	for (unsigned i = 0; i < shards->n; i++)
		tracker_destroy(shards->shard[i].tracker);
	for (unsigned i = 0; i < shards->n_lanes; i++)
		event_log_destroy(shards->lanes[i].log);
	free(shards);
}
