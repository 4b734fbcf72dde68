/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Probes: what an end sends to learn whether the other one is there (keep-alive, RFC 9293 3.8.4), or whether its window
 * has opened (RFC 9293 3.8.6.1). Neither is a retransmission, and neither is new data before it is acknowledged.
 */
#include "tcp_internal.h"

enum probe { PROBE_NONE = 0, PROBE_KEEPALIVE, PROBE_WINDOW };

/* A round trip is shorter, and the time that stacks wait for the answer to a keep-alive longer. */
#define ANSWER_WITHIN_NS (NS_PER_SEC / 2)

static bool meets_closed_window(const struct segment *seg)
{
	return seg->receiver->window_known && seg->receiver->window_bytes == 0;
}

/* The one next byte, into a window that has no room for it. */
static bool is_next_byte(const struct segment *seg)
{
	return seg->packet->payload_bytes == 1 && seg->packet->seq == seg->sender->snd_nxt && meets_closed_window(seg);
}

/*
 * With something outstanding it repeats that. Where acknowledgements are not visible, nobody can tell; but an
 * application that sends a single byte pushes it, and a probe does not.
 */
static bool may_be_needless(const struct segment *seg)
{
	const struct tcp_end *sender = seg->sender;

	if (!sender->una_known)
		return !segment_has(seg, SEG_PSH) && !sender->fin_seen;
	return sender->snd_una == sender->snd_nxt;
}

bool probe_is(const struct segment *seg)
{
	const struct packet *packet = seg->packet;
	const struct tcp_end *sender = seg->sender;
	bool just_below = packet->payload_bytes <= 1 && packet->seq == sender->snd_nxt - 1;

	return segment_has(seg, SEG_ACK) && !segment_has(seg, SEG_SYN | SEG_FIN | SEG_RST) && may_be_needless(seg) &&
	       (just_below || (sender->una_known && is_next_byte(seg)));
}

void probe_note(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;

	sender->probe = meets_closed_window(seg) ? PROBE_WINDOW : PROBE_KEEPALIVE;
	sender->probe_byte = is_next_byte(seg);
	segment_anomaly(seg, sender->probe == PROBE_WINDOW ? ANOMALY_ZERO_WINDOW_PROBE : ANOMALY_KEEPALIVE);
}

bool probe_byte_went_in(struct tcp_end *sender, uint32_t next)
{
	if (!sender->probe_byte || next != sender->snd_nxt + 1)
		return false;
	sender->snd_nxt = next;
	sender->payload_bytes++;
	sender->probe_byte = false;
	return true;
}

/* An end that is alive answers with what it had acknowledged before; one whose window is closed says so again. */
void probe_answered(struct segment *seg)
{
	struct tcp_end *prober = seg->receiver;
	bool answers = !segment_occupies(seg) && seg->packet->ack == prober->snd_nxt;

	if (prober->probe == PROBE_KEEPALIVE && answers)
		segment_anomaly(seg, ANOMALY_KEEPALIVE_ACK);
	if (prober->probe == PROBE_WINDOW && answers && seg->packet->window == 0)
		segment_anomaly(seg, ANOMALY_ZERO_WINDOW_PROBE_ACK);
	prober->probe = PROBE_NONE;
}

bool probe_given_up(const struct segment *seg)
{
	const struct tcp_end *sender = seg->sender;

	return sender->probe == PROBE_KEEPALIVE && sender->una_known &&
	       ns_since(seg->now_ns, sender->last_ns) >= ANSWER_WITHIN_NS;
}
