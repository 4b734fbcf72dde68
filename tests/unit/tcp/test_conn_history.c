/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections written as one line of segments, and what Zeek says of them. A segment is
 *
 *   > from the client or < from the server,
 *   S A F R  flags; d  payload; D  payload with ACK and PSH; .  nothing,
 *   #n  sequence number (0 without), z  zero window, g  acknowledges what was missed, t  payload seen before,
 *   x   bad checksum, ?  not believed by the tracker, *n  n times.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "conn_history.c"

struct segment {
	enum conn_side side;
	struct packet packet;
	struct tcp_verdict verdict;
	unsigned long times;
};

/* Reads what follows the direction, up to the next blank. */
static const char *read_segment(const char *text, struct segment *segment)
{
	struct packet *packet = &segment->packet;

	while (*text != '\0' && *text != ' ') {
		char *end;
		switch (*text++) {
		case 'S':
			packet->flags |= SEG_SYN;
			break;
		case 'A':
			packet->flags |= SEG_ACK;
			break;
		case 'F':
			packet->flags |= SEG_FIN;
			break;
		case 'R':
			packet->flags |= SEG_RST;
			break;
		case 'D':
			packet->payload_bytes = 100;
			packet->flags |= SEG_ACK | SEG_PSH;
			break;
		case 'd':
			packet->payload_bytes = 100;
			break;
		case '.':
			break;
		case '#':
			packet->seq = (uint32_t)strtoul(text, &end, 10);
			text = end;
			break;
		case '*':
			segment->times = strtoul(text, &end, 10);
			text = end;
			break;
		case 'z':
			packet->window = 0;
			break;
		case 'g':
			segment->verdict.acked_gap = true;
			break;
		case 't':
			segment->verdict.retransmitted_payload = true;
			break;
		case 'x':
			packet->checksum = CHECKSUM_BAD;
			segment->verdict.kind = CONN_TRACK_ONLY;
			break;
		case '?':
			segment->verdict.kind = CONN_TRACK_ONLY;
			break;
		default:
			fail_msg("not part of a segment: %s", text - 1);
		}
	}
	return text;
}

static void play(struct conn_history *history, const char *text)
{
	while (*text != '\0') {
		struct segment segment = { .packet.window = 1000, .times = 1 };

		assert_true(*text == '>' || *text == '<');
		segment.side = *text == '>' ? SIDE_CLIENT : SIDE_SERVER;
		text = read_segment(text + 1, &segment);
		for (unsigned long i = 0; i < segment.times; i++)
			conn_history_segment(history, segment.side, &segment.packet, &segment.verdict);
		while (*text == ' ')
			text++;
	}
}

struct example {
	const char *segments;
	const char *conn_state;
	const char *history;
};

static void check_examples(const struct example *examples, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct conn_history history;

		memset(&history, 0xff, sizeof(history));
		conn_history_init(&history);
		play(&history, examples[i].segments);
		if (strcmp(history.text, examples[i].history) != 0 ||
		    strcmp(conn_history_state(&history), examples[i].conn_state) != 0)
			fail_msg("%s: expected %s %s, got %s %s", examples[i].segments, examples[i].conn_state,
				 examples[i].history, conn_history_state(&history), history.text);
		assert_int_equal(history.length, strlen(examples[i].history));
	}
}

#define CHECK(examples) check_examples(examples, sizeof(examples) / sizeof((examples)[0]))

static void test_every_conn_state(void **state)
{
	static const struct example examples[] = {
		{ "", "OTH", "" },
		{ ">S", "S0", "S" },
		{ ">S <RA", "REJ", "Sr" },
		{ ">S <SA", "S1", "Sh" }, /* Zeek does not wait for the third ACK */
		{ ">S <SA >A", "S1", "ShA" },
		{ ">S <SA >A >D <A <D >A >FA <A", "S2", "ShADadF" },
		{ ">S <SA >A >D <A <D >A <FA >A", "S3", "ShADadf" },
		{ ">S <SA >A >D <A <D >A >FA <FA >A", "SF", "ShADadFf" },
		{ ">S <SA >A >D <A >R", "RSTO", "ShADaR" },
		{ ">S <SA >A >D <D <RA", "RSTR", "ShADdr" },
		{ ">S >R", "RSTOS0", "SR" },
		{ "<SA <R", "RSTRH", "^hr" },
		{ ">S >FA", "SH", "SF" },
		{ "<SA <FA", "SHR", "^hf" },
		{ ">D <D", "OTH", "Dd" },
	};

	(void)state;
	CHECK(examples);
}

/* As in Zeek's own test baselines. */
static void test_recorded_connections(void **state)
{
	static const struct example examples[] = {
		{ ">S#1 >S#1", "S0", "S" },
		{ ">S >A >D", "S0", "SAD" },         /* the server's side is not seen */
		{ ">S >A >D >FA", "SH", "SADF" },    /* likewise */
		{ ">D >A >FA >A", "SH", "DAF" },     /* likewise, picked up later */
		{ "<SA <A <D <FA", "SHR", "^hadf" }, /* the client's side is not seen */
		{ "<SA >A >D <D", "S1", "^hADd" },   /* only the SYN is not */
		{ "<SA >A >D <D >FA <A <FA >A", "SF", "^hADdFaf" },
		{ ">D <A >FA <FA >A", "SF", "DaFfA" }, /* picked up in the middle, closed in order */
		{ ">D <A", "OTH", "Da" },
		{ ">D <D >A", "OTH", "DdA" },
		{ ">S <SA >A <D >D <A >FA >R", "RSTO", "ShAdDaFR" },
		{ ">S <SA >A >D <D >FA <A <RA", "RSTR", "ShADdFar" },
		{ ">S <SA >A >D <FA >FA <A", "SF", "ShADfFa" },
	};

	(void)state;
	CHECK(examples);
}

static void test_a_letter_stands_once_for_each_side(void **state)
{
	static const struct example examples[] = {
		{ ">S <SA >A*50 >D*50 <A*50 <D*50", "S1", "ShADad" },
		/* A repeat has the same number; another number is another SYN, FIN or RST. */
		{ ">S#7 >S#7 >S#8 >S#8", "S0", "SS" },
		{ ">S#7 <SA#9 <SA#9 <SA#10", "S1", "Shh" },
		{ ">S <SA >A >FA#5 >FA#5 <FA#8 >R#6 >R#6 >R#90", "SF", "ShAFfRR" },
		/* A FIN that comes again with the payload before it is the same FIN. */
		{ ">S <SA >A >FA#105 >FD#5", "S2", "ShAF" },
	};

	(void)state;
	CHECK(examples);
}

static void test_one_letter_of_flags_a_segment(void **state)
{
	static const struct example examples[] = {
		{ ">S <SA >A >FD", "S2", "ShAF" }, /* no D, no A */
		{ ">S <SA >A >RD", "RSTO", "ShAR" },
		{ ">Sd", "S0", "S" }, /* Fast Open */
		{ ">S <SA >A >d", "S1", "ShAD" },
		{ ">S <SA >A >.", "S1", "ShA" }, /* no flags, no payload: nothing to say */
	};

	(void)state;
	CHECK(examples);
}

static void test_odd_flags(void **state)
{
	static const struct example examples[] = {
		{ ">SF", "SH", "Q" },
		{ ">SR", "OTH", "Q" },
		{ ">SFR", "OTH", "Q" },
		{ ">S <SA >A >FRA", "RSTO", "ShAI" },
		{ ">S <SA >A <FR <FR", "RSTR", "ShAi" },
		{ ">.", "OTH", "" },
	};

	(void)state;
	CHECK(examples);
}

static void test_troubles_come_again_at_powers_of_ten(void **state)
{
	static const struct example examples[] = {
		{ ">S <SA >A >D >Dt*9", "S1", "ShADT" },
		{ ">S <SA >A >D >Dt*10", "S1", "ShADTT" },
		{ ">S <SA >A >D >Dt*99 <D <Dt", "S1", "ShADTTdt" },
		{ ">S <SA >A >D >Dt*100", "S1", "ShADTTT" },
		{ ">S <SA >A >D >Dt*1000", "S1", "ShADTTTT" },
		{ ">S <SA >A <D >Ag*10 >A", "S1", "ShAdgg" },
		{ ">S <SA >A >D <Az*10", "S1", "ShADaww" },
		{ ">S <SA >A <Dx*10", "S1", "ShAcc" },
		{ ">Sz", "S0", "SW" },
		{ ">S <RAz", "REJ", "Sr" }, /* the window of a reset means nothing */
	};

	(void)state;
	CHECK(examples);
}

static void test_trouble_counter_stops_at_its_end(void **state)
{
	struct conn_history history;

	(void)state;
	conn_history_init(&history);
	play(&history, ">S");
	history.repeats[SIDE_CLIENT][LETTER_RETRANSMISSION - FIRST_REPEATED_LETTER] = UINT32_MAX;
	play(&history, ">Dt*3"); /* would be the first again */
	assert_string_equal(history.text, "SD");
}

static void test_bad_checksum_says_nothing_else(void **state)
{
	static const struct example examples[] = {
		{ ">Sx", "OTH", "C" },
		{ ">S <SAx", "S0", "Sc" },
		{ ">S <SA >A >Rxz", "S1", "ShAC" },
		{ "<SAx >S", "S0", "^cS" },
	};

	(void)state;
	CHECK(examples);
}

static void test_doubted_segment_gives_its_letter_but_no_state(void **state)
{
	static const struct example examples[] = {
		{ ">S <SA >A <R?", "S1", "ShAr" },
		{ ">S <SA >A <R? >D <R", "RSTR", "ShArD" },
		{ ">S <R?", "S0", "Sr" },
		{ ">S <SA >A >F?", "S1", "ShAF" },
	};

	(void)state;
	CHECK(examples);
}

static void test_opening(void **state)
{
	static const struct example examples[] = {
		{ ">S <S", "OTH", "Ss" },
		{ ">S <S >SA <SA", "S1", "SsHh" }, /* simultaneous open, RFC 9293 figure 7 */
		{ ">S <S >SA <SA >FA <FA", "SF", "SsHhFf" },
		{ ">S <A", "S0", "Sa" }, /* an ACK of something older */
		{ ">S <A >R >S <SA", "RSTO", "SaRh" },
		{ ">S <D", "OTH", "Sd" },      /* the SYN-ACK was not seen */
		{ ">S <D <SA", "S1", "Sdh" },  /* it came late */
		{ ">A <SA >D", "OTH", "AhD" }, /* the client is known from its middle only */
		{ ">A >S#1", "S0", "AS" },     /* what came before belonged to something older */
		{ ">A <A >S#1", "OTH", "AaS" },
		{ ">S <SA >R", "RSTO", "ShR" }, /* half-open scan */
		{ ">S <SA >R <R", "REJ", "ShRr" },
		{ ">S >R <SA", "RSTO", "SRh" },
		{ "<SA >R", "RSTO", "^hR" }, /* backscatter */
	};

	(void)state;
	CHECK(examples);
}

static void test_resets(void **state)
{
	static const struct example examples[] = {
		/* After both FINs a reset changes nothing. */
		{ ">S <SA >A >FA <FA >R", "SF", "ShAFfR" },
		{ ">S <SA >A >FA <FA <R", "SF", "ShAFfr" },
		/* Between them it does, until the other FIN comes. */
		{ ">S <SA >A >FA >R", "RSTO", "ShAFR" },
		{ ">S <SA >A >FA >R <FA", "SF", "ShAFRf" },
		{ ">S <SA >A >FA >R >R <FA", "SF", "ShAFRf" },
		{ ">S <SA >A >R <FA", "RSTO", "ShARf" },
		{ ">S <SA >A >R >FA <FA", "RSTO", "ShARFf" },
		{ ">S <SA >A >R >R", "RSTO", "ShAR" },
		/* Both reset: rejected when nothing was said, else it is the server's. */
		{ ">S <R >R", "REJ", "SrR" },
		{ ">S <SA >A >D <R >R", "RSTR", "ShADrR" },
		/* RSTOS0 is for a SYN first, and nothing but payload before the reset. */
		{ ">S >S#1 >R", "RSTOS0", "SSR" },
		{ ">S >D >R", "RSTOS0", "SDR" },
		{ "<. >S >R", "RSTOS0", "^SR" },
		{ ">S >A >R", "OTH", "SAR" },
		{ ">R", "OTH", "R" },
		{ ">D >R", "OTH", "DR" },
		{ "<R", "RSTRH", "^r" },
		{ ">D <R", "RSTRH", "Dr" },
	};

	(void)state;
	CHECK(examples);
}

static void test_held_syn_begins_the_history(void **state)
{
	const struct packet_syn syn = { .seq = 77, .flags = SEG_SYN, .window = 1000 };
	struct conn_history history;

	(void)state;
	conn_history_init(&history);
	conn_history_held_syn(&history, &syn);
	assert_string_equal(conn_history_state(&history), "S0");
	/* It was seen before the SYN-ACK that decided it, so nothing is turned around; and its repeat is known. */
	play(&history, "<SA >S#77 >A");
	assert_string_equal(history.text, "ShA");
	assert_string_equal(conn_history_state(&history), "S1");
}

static void test_text_is_cut_where_it_is_full(void **state)
{
	struct conn_history history;

	(void)state;
	conn_history_init(&history);
	for (uint32_t seq = 0; seq < 100; seq++) {
		const struct packet packet = { .flags = SEG_SYN, .seq = seq, .window = 1 };
		const struct tcp_verdict verdict = { .kind = CONN_ACCEPT };
		conn_history_segment(&history, SIDE_CLIENT, &packet, &verdict);
	}
	assert_int_equal(history.length, CONN_HISTORY_BYTES - 1);
	assert_int_equal(strlen(history.text), CONN_HISTORY_BYTES - 1);
	/* The state goes on. */
	play(&history, "<SA >FA <FA");
	assert_string_equal(conn_history_state(&history), "SF");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_conn_state),
		cmocka_unit_test(test_recorded_connections),
		cmocka_unit_test(test_a_letter_stands_once_for_each_side),
		cmocka_unit_test(test_one_letter_of_flags_a_segment),
		cmocka_unit_test(test_odd_flags),
		cmocka_unit_test(test_troubles_come_again_at_powers_of_ten),
		cmocka_unit_test(test_trouble_counter_stops_at_its_end),
		cmocka_unit_test(test_bad_checksum_says_nothing_else),
		cmocka_unit_test(test_doubted_segment_gives_its_letter_but_no_state),
		cmocka_unit_test(test_opening),
		cmocka_unit_test(test_resets),
		cmocka_unit_test(test_held_syn_begins_the_history),
		cmocka_unit_test(test_text_is_cut_where_it_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
