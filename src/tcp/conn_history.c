/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Zeek's view of a connection, kept beside ours: history and conn_state as Zeek documents them for conn.log
 * (base/protocols/conn/main.zeek). Zeek moves both ends when it sees a segment, and a SYN-ACK establishes both; so
 * these two fields are for readers of Zeek's logs, and what the ends really did is in struct tcp_conn.
 *
 * One difference is meant: a segment that the tracker does not believe (CONN_TRACK_ONLY) gives its letter, but does
 * not move conn_state. A forged reset shows as "R" and does not make an "RSTO".
 */
#include "tcpwitness/tcp/conn_history.h"

#include "tcpwitness/base/units.h"

#include <string.h>

/* Zeek's states of an end, in conn_history.endpoint. */
enum endpoint {
	ENDPOINT_INACTIVE = 0, /* nothing seen that counts */
	ENDPOINT_PARTIAL,      /* heard, but not its SYN */
	ENDPOINT_SYN_SENT,
	ENDPOINT_ESTABLISHED,
	ENDPOINT_CLOSED,           /* it sent FIN */
	ENDPOINT_RESET,            /* it sent RST */
	ENDPOINT_CLOSED_AND_RESET, /* it sent FIN, then RST */
};

/* Bits of conn_history.seen, and the letters of the client; those of the server are in lower case. */
enum letter {
	LETTER_SYN = 0,
	LETTER_SYNACK,
	LETTER_FIN,
	LETTER_RST,
	LETTER_MULTI_FLAG,   /* SYN with FIN or RST */
	LETTER_INCONSISTENT, /* FIN with RST */
	LETTER_DATA,
	LETTER_ACK, /* and nothing else */
	LETTER_CHECKSUM,
	LETTER_RETRANSMISSION,
	LETTER_ZERO_WINDOW,
	LETTER_GAP,
};

static const char letters[] = "SHFRQIDACTWG";

/* First index of conn_history.repeats. */
enum { FIRST_REPEATED_LETTER = LETTER_CHECKSUM };

/* Second index of conn_history.last_seq. */
enum numbered { NUMBERED_SYN = 0, NUMBERED_FIN, NUMBERED_RST };

void conn_history_init(struct conn_history *history)
{
	memset(history, 0, sizeof(*history));
}

/* ---- history ---- */

static void append(struct conn_history *history, char letter)
{
	if (history->length < CONN_HISTORY_BYTES - 1)
		history->text[history->length++] = letter;
}

static void append_letter(struct conn_history *history, enum conn_side side, enum letter letter)
{
	const char lower_case_bit = 'a' - 'A';
	char upper = letters[letter];

	append(history, side == SIDE_CLIENT ? upper : (char)(upper | lower_case_bit));
}

/* True for the first of its kind on this side. */
static bool is_first(struct conn_history *history, enum conn_side side, enum letter letter)
{
	uint16_t bit = (uint16_t)(1u << letter);
	bool first = (history->seen[side] & bit) == 0;

	history->seen[side] |= bit;
	return first;
}

static void note_once(struct conn_history *history, enum conn_side side, enum letter letter)
{
	if (is_first(history, side, letter))
		append_letter(history, side, letter);
}

/* For what a sender repeats with the same number: another number is another SYN, FIN or RST. */
static void note_numbered(struct conn_history *history, enum conn_side side, enum letter letter, enum numbered kind,
			  uint32_t seq)
{
	bool first = is_first(history, side, letter);

	if (first || history->last_seq[side][kind] != seq)
		append_letter(history, side, letter);
	history->last_seq[side][kind] = seq;
}

static void note_repeated(struct conn_history *history, enum conn_side side, enum letter letter)
{
	uint32_t *n = &history->repeats[side][letter - FIRST_REPEATED_LETTER];

	if (*n == UINT32_MAX)
		return;
	++*n;
	if (is_power_of_ten(*n))
		append_letter(history, side, letter);
}

/* A segment gives one of these, by what matters most in it: payload on a FIN is no "D", its ACK no "A". */
static void note_flags(struct conn_history *history, enum conn_side side, const struct packet *packet)
{
	switch (packet->flags & (SEG_SYN | SEG_FIN | SEG_RST)) {
	case SEG_SYN:
		note_numbered(history, side, (packet->flags & SEG_ACK) != 0 ? LETTER_SYNACK : LETTER_SYN, NUMBERED_SYN,
			      packet->seq);
		break;
	case SEG_FIN: /* its own number is behind the payload, which may come again in other pieces */
		note_numbered(history, side, LETTER_FIN, NUMBERED_FIN, packet->seq + packet->payload_bytes);
		break;
	case SEG_RST:
		note_numbered(history, side, LETTER_RST, NUMBERED_RST, packet->seq);
		break;
	case SEG_FIN | SEG_RST:
		note_once(history, side, LETTER_INCONSISTENT);
		break;
	case 0:
		if (packet->payload_bytes > 0)
			note_once(history, side, LETTER_DATA);
		else if ((packet->flags & SEG_ACK) != 0)
			note_once(history, side, LETTER_ACK);
		break;
	default:
		note_once(history, side, LETTER_MULTI_FLAG);
		break;
	}
}

static void note_troubles(struct conn_history *history, enum conn_side side, const struct packet *packet,
			  const struct tcp_verdict *verdict)
{
	if (packet->window == 0 && (packet->flags & SEG_RST) == 0) /* the window of a reset means nothing */
		note_repeated(history, side, LETTER_ZERO_WINDOW);
	if (verdict->retransmitted_payload)
		note_repeated(history, side, LETTER_RETRANSMISSION);
	/* What is missing may still come, until the end that should have it says that it has. */
	if (verdict->acked_gap)
		note_repeated(history, conn_side_other(side), LETTER_GAP);
}

/* ---- conn_state ---- */

static bool is_reset(uint8_t endpoint)
{
	return endpoint == ENDPOINT_RESET || endpoint == ENDPOINT_CLOSED_AND_RESET;
}

/* A reset after both FINs comes from an end that is done with the connection: it stays closed. */
static void move_on_rst(uint8_t *self, uint8_t peer)
{
	if (*self != ENDPOINT_CLOSED)
		*self = is_reset(*self) ? *self : ENDPOINT_RESET;
	else if (peer != ENDPOINT_CLOSED)
		*self = ENDPOINT_CLOSED_AND_RESET;
}

/* With a FIN of both, a reset in between was only haste. */
static void move_on_fin(uint8_t *self, uint8_t *peer)
{
	if (is_reset(*self))
		return;
	*self = ENDPOINT_CLOSED;
	if (*peer == ENDPOINT_CLOSED_AND_RESET)
		*peer = ENDPOINT_CLOSED;
}

static void move_on_synack(uint8_t *self, uint8_t *peer)
{
	bool opens = *self == ENDPOINT_INACTIVE || *self == ENDPOINT_PARTIAL || *self == ENDPOINT_SYN_SENT;

	if (opens && *peer == ENDPOINT_SYN_SENT)
		*peer = *self = ENDPOINT_ESTABLISHED;
	else if (*self == ENDPOINT_INACTIVE)
		*self = ENDPOINT_ESTABLISHED;
}

static void move_on_syn(uint8_t *self, uint8_t peer)
{
	if (*self == ENDPOINT_INACTIVE || (*self == ENDPOINT_PARTIAL && peer == ENDPOINT_INACTIVE))
		*self = ENDPOINT_SYN_SENT;
}

/*
 * Payload, an ACK, or nothing. A bare ACK is no answer to a SYN: it speaks of an older connection (RFC 9293 3.10.7.4).
 */
static void move_on_other(uint8_t *self, uint8_t peer, bool has_payload)
{
	if (*self != ENDPOINT_INACTIVE)
		return;
	if (peer == ENDPOINT_ESTABLISHED)
		*self = ENDPOINT_ESTABLISHED;
	else if (peer != ENDPOINT_SYN_SENT || has_payload)
		*self = ENDPOINT_PARTIAL;
}

static void move_endpoints(struct conn_history *history, enum conn_side side, const struct packet *packet)
{
	uint8_t *self = &history->endpoint[side];
	uint8_t *peer = &history->endpoint[conn_side_other(side)];

	if ((packet->flags & SEG_RST) != 0)
		move_on_rst(self, *peer);
	else if ((packet->flags & SEG_FIN) != 0)
		move_on_fin(self, peer);
	else if ((packet->flags & SEG_SYN) != 0 && (packet->flags & SEG_ACK) != 0)
		move_on_synack(self, peer);
	else if ((packet->flags & SEG_SYN) != 0)
		move_on_syn(self, *peer);
	else
		move_on_other(self, *peer, packet->payload_bytes > 0);
}

void conn_history_segment(struct conn_history *history, enum conn_side side, const struct packet *packet,
			  const struct tcp_verdict *verdict)
{
	/* Zeek takes the first sender for the originator, and notes when it had to think again. */
	if (!history->started && side == SIDE_SERVER)
		append(history, '^');
	history->started = true;
	if (packet->checksum == CHECKSUM_BAD) {
		note_repeated(history, side, LETTER_CHECKSUM); /* nothing else in it can be believed */
		return;
	}
	note_flags(history, side, packet);
	note_troubles(history, side, packet, verdict);
	if (verdict->kind == CONN_TRACK_ONLY)
		return;
	history->payload_seen = history->payload_seen || packet->payload_bytes > 0;
	move_endpoints(history, side, packet);
}

void conn_history_held_syn(struct conn_history *history, const struct packet_syn *syn)
{
	const struct packet packet = { .seq = syn->seq, .flags = syn->flags, .window = syn->window };
	const struct tcp_verdict verdict = { .kind = CONN_ACCEPT };

	conn_history_segment(history, SIDE_CLIENT, &packet, &verdict);
}

/* Nothing seen of this end that would make the connection more than an attempt. */
static bool is_silent(uint8_t endpoint)
{
	return endpoint == ENDPOINT_INACTIVE || endpoint == ENDPOINT_PARTIAL;
}

/* The client's SYN came first, and nothing but payload between it and the reset: then Zeek says RSTOS0. */
static bool is_syn_then_reset(const char *text)
{
	if (*text == '^')
		text++;
	if (*text != letters[LETTER_SYN])
		return false;
	text += 1 + strcspn(text + 1, "HAFGIQR");
	return *text == letters[LETTER_RST];
}

/* The server's reset goes before the client's: where both sent one, the server refused or aborted. */
static const char *state_after_reset(const struct conn_history *history)
{
	uint8_t client = history->endpoint[SIDE_CLIENT];
	uint8_t server = history->endpoint[SIDE_SERVER];

	if (!is_reset(server)) {
		if (!is_silent(server))
			return "RSTO";
		return is_syn_then_reset(history->text) ? "RSTOS0" : "OTH";
	}
	if (client == ENDPOINT_SYN_SENT || (is_reset(client) && !history->payload_seen))
		return "REJ";
	return is_silent(client) ? "RSTRH" : "RSTR";
}

const char *conn_history_state(const struct conn_history *history)
{
	uint8_t client = history->endpoint[SIDE_CLIENT];
	uint8_t server = history->endpoint[SIDE_SERVER];

	if (is_reset(client) || is_reset(server))
		return state_after_reset(history);
	if (client == ENDPOINT_CLOSED && server == ENDPOINT_CLOSED)
		return "SF";
	if (client == ENDPOINT_CLOSED)
		return is_silent(server) ? "SH" : "S2";
	if (server == ENDPOINT_CLOSED)
		return is_silent(client) ? "SHR" : "S3";
	if (client == ENDPOINT_SYN_SENT && server == ENDPOINT_INACTIVE)
		return "S0";
	if (client == ENDPOINT_ESTABLISHED && server == ENDPOINT_ESTABLISHED)
		return "S1";
	return "OTH";
}
