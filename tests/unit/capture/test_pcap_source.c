/* SPDX-License-Identifier: BSD-2-Clause */
/* Frame headers that no capture program writes, but a forged file may hold: times and lengths become legal ones. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tcpwitness/base/units.h"

#include "pcap_source.h"

static struct frame fill(int64_t seconds, int64_t fraction, uint32_t tick_ns, uint32_t caplen, uint32_t len)
{
	const struct pcap_pkthdr header = {
		.ts = { .tv_sec = seconds, .tv_usec = fraction },
		.caplen = caplen,
		.len = len,
	};
	static const uint8_t data[1];
	struct frame frame = { 0 };

	pcap_source_fill_frame(&header, data, tick_ns, &frame);
	assert_ptr_equal(frame.data, data);
	return frame;
}

static uint64_t time_of(int64_t seconds, int64_t fraction, uint32_t tick_ns)
{
	return fill(seconds, fraction, tick_ns, 60, 60).time_ns;
}

static void test_usual_times(void **state)
{
	(void)state;
	assert_int_equal(time_of(0, 0, 1), 0);
	assert_int_equal(time_of(1700000000, 999999, 1000), 1700000000 * NS_PER_SEC + 999999000);
	assert_int_equal(time_of(1700000000, 999999999, 1), 1700000000 * NS_PER_SEC + 999999999);
	/* The last second that pcap's 32 bits can hold, in 2106. */
	assert_int_equal(time_of(UINT32_MAX, 0, 1), UINT32_MAX * NS_PER_SEC);
}

/* A fraction of more than a second counts on: the order of frames stays what the numbers say. */
static void test_fraction_above_a_second(void **state)
{
	(void)state;
	assert_int_equal(time_of(10, 3000000, 1000), 13 * NS_PER_SEC);
	assert_int_equal(time_of(10, UINT32_MAX, 1), 10 * NS_PER_SEC + UINT32_MAX);
}

static void test_times_out_of_range_become_the_limit(void **state)
{
	(void)state;
	assert_int_equal(time_of(-1, 0, 1), 0);
	assert_int_equal(time_of(INT64_MIN, 0, 1), 0);
	assert_int_equal(time_of(0, INT64_MIN, 1000), 0);
	assert_int_equal(time_of(INT64_MAX, 0, 1), TIME_MAX_NS);
	assert_int_equal(time_of(0, INT64_MAX, 1000), TIME_MAX_NS);
	assert_int_equal(time_of(INT64_MAX / (int64_t)NS_PER_SEC, 999999999, 1), TIME_MAX_NS);
	/* What the tracker adds to it does not wrap. */
	assert_true(TIME_MAX_NS + NS_PER_SEC * 365 * 86400 > TIME_MAX_NS);
}

static void test_wire_length_is_at_least_the_captured_one(void **state)
{
	struct frame frame = fill(1, 0, 1, 96, 1514);

	(void)state;
	assert_int_equal(frame.captured_bytes, 96);
	assert_int_equal(frame.wire_bytes, 1514);
	frame = fill(1, 0, 1, 96, 0);
	assert_int_equal(frame.captured_bytes, 96);
	assert_int_equal(frame.wire_bytes, 96);
}

static void test_link_type_must_fit_a_frame(void **state)
{
	struct error error = { 0 };
	pcap_t *fits = pcap_open_dead(DLT_EN10MB, 65535);
	pcap_t *too_large = pcap_open_dead(UINT16_MAX + 1, 65535);

	(void)state;
	assert_int_equal(pcap_source_link_type(fits, "a.pcap", &error), DLT_EN10MB);
	assert_int_equal(pcap_source_link_type(too_large, "b.pcap", &error), -1);
	assert_non_null(strstr(error.text, "b.pcap: link type 65536"));
	pcap_close(fits);
	pcap_close(too_large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual_times),
		cmocka_unit_test(test_fraction_above_a_second),
		cmocka_unit_test(test_times_out_of_range_become_the_limit),
		cmocka_unit_test(test_wire_length_is_at_least_the_captured_one),
		cmocka_unit_test(test_link_type_must_fit_a_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
