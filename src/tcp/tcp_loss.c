/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where losses were. What is sent again was lost before the tap when the tap had not seen it; else behind the tap, or
 * its acknowledgement was lost. Which of the two, the other end says: by a D-SACK (RFC 2883) upon what it had already,
 * or by the timestamp that it echoes (RFC 7323 4.3), which is that of the copy that came first.
 */
#include "tcp_internal.h"

#include "tcpwitness/tcp/tcp_limits.h"

#include <string.h>

void loss_note_syn(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;

	sender->last_syn_ts_val = seg->packet->options.ts_val;
	if (sender->syns == 0)
		sender->first_syn_ts_val = seg->packet->options.ts_val;
	/* Without timestamps they are not followed, see note_ip_id. */
	if ((seg->packet->options.present & TCPOPT_TIMESTAMP) != 0)
		sender->last_ip_id = seg->packet->ip_id;
}

/*
 * How many of its SYNs (or SYN-ACKs) passed before the one with the timestamp that is echoed. Without, that was the
 * last; of several between the first and the last it is taken for the latest.
 */
static uint32_t passed_before(const struct tcp_end *end, const struct tcp_options *answer)
{
	uint32_t last = end->syns - 1;

	if (!end->timestamps || (answer->present & TCPOPT_TIMESTAMP) == 0 || answer->ts_ecr == end->last_syn_ts_val)
		return last;
	return answer->ts_ecr == end->first_syn_ts_val ? 0 : last - 1;
}

/* The copies before the one that came are lost behind the tap; the answers to those after it, before the tap. */
void loss_note_syn_received(struct segment *seg)
{
	struct tcp_end *receiver = seg->receiver;

	/* When both connect, the second SYN of an end is its SYN-ACK, no repeat. */
	if (receiver->syns < 2 || (receiver->active_open && seg->sender->active_open))
		return;
	uint32_t lost = passed_before(receiver, &seg->packet->options);
	receiver->lost_after_tap += lost;
	/* The third segment is a bare ACK, as a rule. */
	if (segment_has(seg, SEG_SYN))
		seg->sender->lost_before_tap += receiver->syns - 1 - lost;
}

static void repeated_remove(struct tcp_end *sender, unsigned index)
{
	sender->n_repeated--;
	memmove(&sender->repeated[index], &sender->repeated[index + 1],
		sizeof(sender->repeated[0]) * (sender->n_repeated - index));
	sender->repeated_dated = bits_without(sender->repeated_dated, index);
}

/*
 * The timestamp in the answer tells only when nothing before the repeat waits for its acknowledgement: that one's would
 * be echoed (RFC 7323 4.3).
 */
static void repeated_add(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;

	if (sender->n_repeated == CONN_MAX_REPEATS)
		repeated_remove(sender, 0);
	sender->repeated[sender->n_repeated].left = seg->packet->seq;
	sender->repeated[sender->n_repeated].right = seg->end;
	sender->repeated[sender->n_repeated].ts_val = seg->packet->options.ts_val;
	if ((seg->packet->options.present & TCPOPT_TIMESTAMP) != 0 && sender->una_known &&
	    sender->snd_una == seg->packet->seq)
		sender->repeated_dated |= (uint8_t)(1u << sender->n_repeated);
	sender->n_repeated++;
}

static bool is_dated(const struct tcp_end *sender, unsigned index)
{
	return (sender->repeated_dated >> index & 1) != 0;
}

static bool overlaps(const struct tcp_end *sender, unsigned index, uint32_t left, uint32_t right)
{
	return seq_lt(sender->repeated[index].left, right) && seq_gt(sender->repeated[index].right, left);
}

/* RFC 9293 3.10.7.4: what does not fit into the window is not lost, it is not taken. */
static bool was_refused(const struct segment *seg)
{
	return seg->receiver->edge_known && seq_geq(seg->packet->seq, seg->receiver->right_edge);
}

/* What a repeat brings that the other end has not said it has: the rest is sent along, as segments are cut anew. */
static void trim_to_needed(const struct segment *seg, uint32_t *left, uint32_t *right)
{
	const struct tcp_end *sender = seg->sender;

	if (sender->una_known)
		*left = seq_max(*left, sender->snd_una);
	for (unsigned i = 0; i < sender->n_sacked; i++) {
		uint32_t from = sender->sacked[i].left;
		uint32_t to = sender->sacked[i].right;
		if (seq_leq(from, *left) && seq_gt(to, *left))
			*left = to;
		if (seq_gt(from, *left) && seq_lt(from, *right) && seq_geq(to, *right))
			*right = from;
	}
}

/*
 * What was one segment may be sent again as two, when options (SACK blocks, above all) leave less room for payload than
 * before: a full one, and the rest.
 */
static bool is_rest_of_repeat(const struct tcp_end *sender, uint32_t left, uint32_t right)
{
	enum { MOST_OPTIONS_BYTES = 40 };
	uint32_t before = sender->last_repeat_right - sender->last_repeat_left;

	return left == sender->last_repeat_right && right - left < MOST_OPTIONS_BYTES &&
	       before + MOST_OPTIONS_BYTES >= sender->longest_payload_bytes &&
	       before + (right - left) <= sender->longest_payload_bytes;
}

void loss_note_repeat(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	uint32_t left = seg->packet->seq;
	uint32_t right = seg->end;

	if (seg->class == SEGMENT_REPEAT_NEEDLESS) {
		/* A D-SACK will be about this one. */
		for (unsigned i = sender->n_repeated; i > 0; i--) {
			if (overlaps(sender, i - 1, left, right))
				repeated_remove(sender, i - 1);
		}
		return;
	}
	trim_to_needed(seg, &left, &right);
	if (seq_geq(left, right))
		return;
	bool is_rest = is_rest_of_repeat(sender, left, right);
	sender->last_repeat_left = left;
	sender->last_repeat_right = right;
	if (is_rest)
		return;
	if (seg->class == SEGMENT_REPEAT_UNSEEN) {
		sender->lost_before_tap++;
	} else if (seg->class == SEGMENT_REPEAT_SEEN && !was_refused(seg)) {
		sender->lost_after_tap++;
		repeated_add(seg);
	}
}

/* RFC 2883 section 4: the first block tells of a duplicate when it lies below the acknowledgement, or in the second. */
static bool has_dsack(const struct tcp_options *options, uint32_t ack)
{
	if ((options->present & TCPOPT_SACK) == 0 || options->n_sack_blocks == 0)
		return false;
	if (seq_leq(options->sack[0].right, ack))
		return true;
	return options->n_sack_blocks > 1 && seq_geq(options->sack[0].left, options->sack[1].left) &&
	       seq_leq(options->sack[0].right, options->sack[1].right);
}

/* The acknowledgement echoes a timestamp from before the repeat: what was repeated had come. */
static bool is_echoed_from_before(const struct segment *seg, unsigned repeat)
{
	const struct tcp_options *options = &seg->packet->options;
	const struct tcp_end *receiver = seg->receiver;

	return is_dated(receiver, repeat) && (options->present & TCPOPT_TIMESTAMP) != 0 &&
	       seq_geq(seg->packet->ack, receiver->repeated[repeat].right) &&
	       seq_lt(options->ts_ecr, receiver->repeated[repeat].ts_val);
}

bool loss_of_first_shown(const struct segment *seg, uint32_t seq)
{
	const struct tcp_end *receiver = seg->receiver;

	for (unsigned i = 0; i < receiver->n_repeated; i++) {
		if (is_dated(receiver, i) && overlaps(receiver, i, seq, seq + 1))
			return (seg->packet->options.present & TCPOPT_TIMESTAMP) != 0 &&
			       seq_geq(seg->packet->options.ts_ecr, receiver->repeated[i].ts_val);
	}
	return false;
}

static void note_sack(struct segment *seg, bool dsack)
{
	const struct tcp_options *options = &seg->packet->options;
	struct tcp_end *receiver = seg->receiver;

	receiver->n_sacked = 0;
	if ((options->present & TCPOPT_SACK) == 0)
		return;
	for (unsigned i = dsack ? 1 : 0; i < options->n_sack_blocks; i++) {
		receiver->sacked[receiver->n_sacked].left = options->sack[i].left;
		receiver->sacked[receiver->n_sacked].right = options->sack[i].right;
		receiver->n_sacked++;
	}
}

void loss_note_acknowledgement(struct segment *seg)
{
	const struct tcp_options *options = &seg->packet->options;
	struct tcp_end *receiver = seg->receiver;
	bool dsack = has_dsack(options, seg->packet->ack);

	note_sack(seg, dsack);
	for (unsigned i = receiver->n_repeated; i > 0; i--) {
		bool told = dsack && overlaps(receiver, i - 1, options->sack[0].left, options->sack[0].right);
		if (!told && !is_echoed_from_before(seg, i - 1))
			continue;
		/* A D-SACK is about one of them. */
		dsack = dsack && !told;
		receiver->lost_after_tap--;
		repeated_remove(receiver, i - 1);
	}
}

/*
 * What was missed was no bare ACK if there was nothing to acknowledge; and then it is what is sent again now, but where
 * the numbers go on behind a gap, which is accounted for when it is filled.
 */
static bool was_missed_before(const struct segment *seg)
{
	bool again =
		seg->class == SEGMENT_NEXT || seg->class == SEGMENT_REPEAT_UNSEEN || seg->class == SEGMENT_REPEAT_SEEN;

	return again && segment_occupies(seg) && seg->sender->acked_any &&
	       seg->sender->last_ack == seg->receiver->snd_nxt;
}

/* Nothing is sent again before an answer could have come, or not. */
static bool is_too_soon(const struct segment *seg)
{
	const struct tcp_conn *conn = seg->conn;

	if (conn->rtt_client_us == UINT32_MAX || conn->rtt_server_us == UINT32_MAX)
		return false;
	return ns_since(seg->now_ns, seg->sender->last_ns) <
	       ((uint64_t)conn->rtt_client_us + conn->rtt_server_us) * NS_PER_US;
}

/* Its identification is lower than that of one which passed: overtaken, not missed. Or it is no counter at all. */
static void ip_id_goes_back(struct tcp_end *sender, uint16_t ip_id, int16_t step)
{
	if (step < -TCP_MOST_IDS_MISSED) {
		sender->ip_ids_count_up = false;
		sender->last_ip_id = ip_id;
	} else if (sender->ip_ids_missed > 0) {
		sender->ip_ids_missed--;
		sender->lost_before_tap--;
	}
}

/*
 * Many stacks number the packets of a connection (RFC 6864 leaves them free to), which shows each one that the tap
 * missed, where nothing else does: the last segment of a flight. Others number all packets of a host; of those, some
 * send no timestamps, and the rest show themselves by gaps where nothing can be missing.
 */
static void note_ip_id(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	uint16_t ip_id = seg->packet->ip_id;
	int16_t step = (int16_t)(ip_id - sender->last_ip_id);

	if (ip_id == 0 || !sender->timestamps || sender->ip_ids_of_host)
		return;
	if (step <= 0) {
		ip_id_goes_back(sender, ip_id, step);
		return;
	}
	if (step == 1) {
		sender->ip_ids_count_up = true;
	} else if (step > TCP_MOST_IDS_MISSED) {
		sender->ip_ids_count_up = false;
	} else if (sender->ip_ids_count_up && was_missed_before(seg) && is_too_soon(seg)) {
		sender->ip_ids_of_host = true;
	} else if (sender->ip_ids_count_up && was_missed_before(seg)) {
		sender->lost_before_tap += (uint16_t)(step - 1);
		sender->ip_ids_missed = (uint8_t)(step - 1);
	}
	sender->last_ip_id = ip_id;
}

void loss_note_segment(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;

	note_ip_id(seg);
	if (seg->packet->payload_bytes > sender->longest_payload_bytes)
		sender->longest_payload_bytes = seg->packet->payload_bytes;
}
