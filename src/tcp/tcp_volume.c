/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much a sender has under way, and in how small pieces. Both are judged loosely: the tap may miss acknowledgements,
 * and programs may ask for small segments.
 */
#include "tcp_internal.h"

#include "tcpwitness/tcp/tcp_limits.h"

enum {
	/* Beyond four windows and TCP_EXCESS_BYTES, it is not for missed acknowledgements and updates of the window. */
	EXCESS_WINDOWS = 4,
	UNSCALED_WINDOW_MAX_BYTES = 65535,
};

/* RFC 9293 3.8.6: what is not acknowledged fits into the window that the other end gave. */
static bool is_excessive(const struct tcp_end *sender, const struct tcp_end *receiver)
{
	int64_t window_bytes =
		receiver->window_bytes > UNSCALED_WINDOW_MAX_BYTES ? receiver->window_bytes : UNSCALED_WINDOW_MAX_BYTES;

	return sender->una_known && receiver->window_known &&
	       seq_diff(sender->snd_nxt, sender->snd_una) > EXCESS_WINDOWS * window_bytes + TCP_EXCESS_BYTES;
}

void volume_note_new_payload(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;

	if (is_excessive(sender, seg->receiver))
		segment_anomaly(seg, ANOMALY_EXCESS_INFLIGHT);
	if (seg->packet->payload_bytes > TCP_SMALL_PAYLOAD_BYTES) {
		sender->small_run = 0;
		return;
	}
	sender->small_run++;
	/* RFC 9293 3.8.6.2: many small segments where few large ones would do. */
	if (sender->small_run == TCP_SMALL_RUN_SEGMENTS) {
		segment_anomaly(seg, ANOMALY_SMALL_SEGMENTS);
		sender->small_run = 0;
	}
}
