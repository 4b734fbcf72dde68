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
	static const char letters[] = "DAda";
	unsigned n_steps = 0;

	(void)state;
	for (unsigned i = 1; i < N_COMMON_HISTORIES; i++) {
		for (unsigned k = 0; k < 4; k++) {
			unsigned then = common_histories[i].then[k];
			if (then == 0)
				continue;
			struct conn_history history = history_of(common_histories[i].text);
			add(&history, letters[k]);
			assert_string_equal(history.text, common_histories[then].text);
			n_steps++;
		}
	}
	assert_true(n_steps >= 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_are_histories),
		cmocka_unit_test(test_rows_lead_to_the_rows_that_follow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
