/* SPDX-License-Identifier: BSD-2-Clause */
/* Stamps tell how long ago something was: exactly for 18 minutes, and never that something old was just now. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tcpwitness/tcp/tcp_stamp.h"

#define MINUTE_NS (60 * NS_PER_SEC)
#define BEGIN_NS  (UINT64_C(1700000000) * NS_PER_SEC)

static void begin(struct tcp_conn *conn)
{
	memset(conn, 0, sizeof(*conn));
	stamps_begin(conn, BEGIN_NS);
}

static void test_never_stays_never(void **state)
{
	struct tcp_conn conn;

	(void)state;
	begin(&conn);
	stamps_advance(&conn, BEGIN_NS + 100 * MINUTE_NS);
	assert_int_equal(stamp_ns(&conn, conn.end[0].fin_stamp), 0);
}

static void test_microseconds_are_exact(void **state)
{
	struct tcp_conn conn;

	(void)state;
	begin(&conn);
	for (uint64_t us = 0; us < 5000; us += 7)
		assert_int_equal(stamp_ns(&conn, stamp_of(&conn, BEGIN_NS + us * NS_PER_US)),
				 BEGIN_NS + us * NS_PER_US);
	assert_int_equal(stamp_ns(&conn, stamp_of(&conn, BEGIN_NS + 1999)), BEGIN_NS + 1000);
	/* A connection at the beginning of time, and a clock that was set back. */
	stamps_begin(&conn, 0);
	assert_int_equal(stamp_ns(&conn, stamp_of(&conn, 3000)), 3000);
	begin(&conn);
	assert_int_equal(stamp_ns(&conn, stamp_of(&conn, BEGIN_NS - 10 * MINUTE_NS)), BEGIN_NS - 10 * MINUTE_NS);
}

/* However long the connection goes on, and with whatever pauses. */
static void check_ages(uint64_t step_ns, uint64_t until_ns)
{
	struct tcp_conn conn;
	uint64_t stamped_ns = BEGIN_NS;

	begin(&conn);
	conn.end[0].n_pending = 1;
	conn.end[0].n_holes = 1;
	for (uint64_t age_ns = 0; age_ns <= until_ns; age_ns += step_ns) {
		uint64_t now_ns = stamped_ns + age_ns;
		stamps_advance(&conn, now_ns);
		if (age_ns == 0) {
			uint32_t stamp = stamp_of(&conn, now_ns);
			conn.end[0].pending_stamp[0] = stamp;
			conn.end[0].holes[0].stamp = stamp;
			conn.end[1].fin_stamp = stamp;
			conn.end[1].rst_sent_stamp = stamp;
			conn.end[1].rst_refused_stamp = stamp;
		}
		const uint32_t stamps[] = { conn.end[0].pending_stamp[0], conn.end[0].holes[0].stamp,
					    conn.end[1].fin_stamp, conn.end[1].rst_sent_stamp,
					    conn.end[1].rst_refused_stamp };
		for (unsigned i = 0; i < sizeof(stamps) / sizeof(stamps[0]); i++) {
			uint64_t told_ns = now_ns - stamp_ns(&conn, stamps[i]);
			if (age_ns <= 17 * MINUTE_NS)
				assert_int_equal(told_ns, age_ns);
			else
				assert_in_range(told_ns, 17 * MINUTE_NS, age_ns);
		}
	}
}

static void test_old_never_looks_new(void **state)
{
	(void)state;
	check_ages(NS_PER_SEC / 4, 10 * MINUTE_NS);
	check_ages(7 * NS_PER_SEC, 24 * 60 * MINUTE_NS);
	check_ages(30 * MINUTE_NS, 7 * 24 * 60 * MINUTE_NS);
	/* Just as long as the microseconds take to come round: 2^32. */
	check_ages((UINT64_C(1) << 32) * NS_PER_US, 10 * (UINT64_C(1) << 32) * NS_PER_US);
	check_ages(10 * 365 * 24 * 60 * MINUTE_NS, 30 * 365 * 24 * 60 * MINUTE_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_never_stays_never),
		cmocka_unit_test(test_microseconds_are_exact),
		cmocka_unit_test(test_old_never_looks_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
