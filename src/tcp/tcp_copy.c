/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The same segment again, that its sender did not send again. A mirror port may deliver one packet twice, and a network
 * may. What a sender sends again is another packet: IPv4 gives it another identification, and a timestamp
 * (RFC 7323) another time.
 */
#include "tcp_internal.h"

/* Longer than a network delays a copy, shorter than retransmission timers (RFC 6298 2.4; stacks go down to 200 ms). */
#define LONGEST_COPY_NS (150 * NS_PER_MS)
/* Within one tick of the clocks in use (RFC 7323 5.4) a fast retransmission has the timestamp of the first. */
#define TIMESTAMP_TICK_NS (5 * NS_PER_MS)

/* When it passed last; false when it is not among the recent segments. */
static bool passed_before(const struct segment *seg, uint64_t *time_ns)
{
	const struct recent_segment *before = NULL;

	if (seg->packet->payload_hash != 0)
		before = recent_segments_find(seg->recent, segment_owner(seg), seg->packet);
	if (before != NULL)
		*time_ns = before->time_ns;
	return before != NULL;
}

/*
 * Bare ACKs and RSTs without an identification are left alone, stacks do send the same one twice; so is what repeats
 * itself after a segment of the other end, unless its timestamp says that it is older.
 */
enum segment_copy segment_copy_of(const struct segment *seg)
{
	uint64_t before_ns;

	if (!passed_before(seg, &before_ns))
		return SEGMENT_ORIGINAL;
	uint64_t elapsed_ns = ns_since(seg->now_ns, before_ns);
	bool identified = seg->packet->ip_id != 0;
	bool answered_between = seg->receiver->last_ns > before_ns;

	if (elapsed_ns <= seg->config->duplicate_window_ns && seg->config->duplicate_window_ns > 0 &&
	    (identified || (segment_occupies(seg) && !answered_between)))
		return SEGMENT_CAPTURED_TWICE;
	bool dated = (seg->packet->options.present & TCPOPT_TIMESTAMP) != 0 && segment_occupies(seg) &&
		     (!answered_between || elapsed_ns > TIMESTAMP_TICK_NS);
	return elapsed_ns <= LONGEST_COPY_NS && (identified || dated) ? SEGMENT_DELIVERED_TWICE : SEGMENT_ORIGINAL;
}

bool segment_is_recent(const struct segment *seg)
{
	uint64_t ignored_ns;

	return seg->packet->ip_id != 0 && passed_before(seg, &ignored_ns);
}

void segment_remember(struct segment *seg)
{
	seg->self = recent_segments_add(seg->recent, segment_owner(seg), seg->packet);
}
