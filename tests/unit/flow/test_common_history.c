/* SPDX-License-Identifier: BSD-2-Clause */
/* Each row of the table is what conn_history makes of segments with these letters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <string.h>

#include "common_history.h"
#include "tcpwitness/tcp/conn_history.h"

static void add(struct conn_history *history, char letter)
{
	static const struct tcp_verdict accepted = { .kind = CONN_ACCEPT };
	enum conn_side side = islower((unsigned char)letter) ? SIDE_SERVER : SIDE_CLIENT;
	struct packet packet = { .flags = SEG_ACK, .window = 1000 };

	switch (toupper((unsigned char)letter)) {
	case 'S':
		packet.flags = SEG_SYN;
		break;
	case 'H':
		packet.flags = SEG_SYN | SEG_ACK;
		break;
	case 'F':
		packet.flags = SEG_FIN | SEG_ACK;
		break;
	case 'D':
		packet.payload_bytes = 10;
		break;
	default:
		break;
	}
	conn_history_segment(history, side, &packet, &accepted);
}

static struct conn_history history_of(const char *text)
{
	struct conn_history history;

	conn_history_init(&history);
	for (; *text != '\0'; text++)
		add(&history, *text);
	return history;
}

static void test_rows_are_histories(void **state)
{
	(void)state;
	for (unsigned i = 1; i < N_COMMON_HISTORIES; i++) {
		const struct common_history *row = &common_histories[i];
		const struct conn_history history = history_of(row->text);
		assert_string_equal(history.text, row->text);
		assert_int_equal(history.length, row->length);
		assert_memory_equal(history.seen, row->seen, sizeof(row->seen));
		assert_memory_equal(history.endpoint, row->endpoint, sizeof(row->endpoint));
		assert_int_equal(history.payload_seen, row->has_payload);
	}
}

static void test_rows_lead_to_the_rows_that_follow(void **state)
{
	static const char letters[2][STEPS_OF_END] = { "DAF", "daf" };

	(void)state;
	for (unsigned i = 1; i < N_COMMON_HISTORIES; i++) {
		for (unsigned k = 0; k < 2 * STEPS_OF_END; k++) {
			enum conn_side side = (enum conn_side)(k / STEPS_OF_END);
			enum common_step step = (enum common_step)(k % STEPS_OF_END);
			struct conn_history history = history_of(common_histories[i].text);
			unsigned then = common_history_then((uint8_t)i, side, step);
			add(&history, letters[side][step]);
			/* A FIN again is another matter. */
			if (then != 0)
				assert_string_equal(history.text, common_histories[then].text);
			unsigned number = common_history_number(&history);
			if (strchr(common_histories[i].text, letters[side][step]) == NULL)
				assert_int_equal(then, number < OWN_HISTORIES ? number : 0);
		}
	}
}

static void test_each_row_is_found(void **state)
{
	(void)state;
	for (unsigned i = 1; i < N_COMMON_HISTORIES; i++) {
		struct conn_history history = history_of(common_histories[i].text);
		assert_int_equal(common_history_number(&history), i);
		history.seen[SIDE_SERVER] ^= 1 << 9;
		assert_int_not_equal(common_history_number(&history), i);
	}
}

/* Of those that are none of these, the number says which letters were given. */
static void test_others_have_a_number_of_their_own(void **state)
{
	struct conn_history history = history_of("ShADad");

	(void)state;
	history.text[history.length++] = 'T';
	history.seen[SIDE_CLIENT] |= 1 << 9;
	assert_int_equal(common_history_number(&history), OWN_HISTORIES | 15);
	assert_int_equal(common_history_then(OWN_HISTORIES | 15, SIDE_SERVER, STEP_ACK), OWN_HISTORIES | 15);
	assert_int_equal(common_history_then(OWN_HISTORIES | 15, SIDE_SERVER, STEP_FIN), 0);
	history.seen[SIDE_SERVER] &= (uint16_t) ~(1u << 6);
	assert_int_equal(common_history_number(&history), OWN_HISTORIES | 11);
	assert_int_equal(common_history_then(OWN_HISTORIES | 11, SIDE_SERVER, STEP_DATA), 0);
	assert_int_equal(common_history_then(OWN_HISTORIES | 11, SIDE_CLIENT, STEP_DATA), OWN_HISTORIES | 11);
	history.payload_seen = false;
	assert_int_equal(common_history_number(&history), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_are_histories),
		cmocka_unit_test(test_rows_lead_to_the_rows_that_follow),
		cmocka_unit_test(test_each_row_is_found),
		cmocka_unit_test(test_others_have_a_number_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
