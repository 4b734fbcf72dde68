/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of anomalies are part of the events: every one has its own, and the groups are where the catalogue says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tcpwitness/decode/anomaly.h"

static void every_anomaly_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ANOMALY_COUNT; i++) {
		const struct anomaly_info *info = anomaly_info((enum anomaly)i);

		assert_true(strlen(info->name) > 0);
		assert_int_equal(strspn(info->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(info->name));
		assert_true(strlen(info->text) > strlen("port"));
		for (unsigned other = 0; other < i; other++) {
			assert_string_not_equal(info->name, anomaly_info((enum anomaly)other)->name);
			assert_string_not_equal(info->text, anomaly_info((enum anomaly)other)->text);
		}
	}
}

static void names_are_those_of_the_catalogue(void **state)
{
	(void)state;
	assert_string_equal(anomaly_info(ANOMALY_TCP_HEADER_TRUNCATED)->name, "tcp_header_truncated");
	assert_string_equal(anomaly_info(ANOMALY_FRAGMENT_OVERLAP)->name, "fragment_overlap");
	assert_string_equal(anomaly_info(ANOMALY_SYN_RETRANSMIT)->name, "syn_retransmit");
	assert_string_equal(anomaly_info(ANOMALY_TIME_WAIT_ASSASSINATED)->name, "time_wait_assassinated");
	assert_string_equal(anomaly_info(ANOMALY_ICMP_ERROR)->name, "icmp_error");
}

static void decode_group_ends_before_syn_retransmit(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ANOMALY_COUNT; i++)
		assert_int_equal(anomaly_info((enum anomaly)i)->is_decode, i < ANOMALY_SYN_RETRANSMIT);
}

/* What a lossy path or an idle connection shows must not become events; what an attack shows must. */
static void noise_is_what_healthy_networks_show(void **state)
{
	static const enum anomaly noise[] = { ANOMALY_SYN_RETRANSMIT, ANOMALY_RETRANSMISSION, ANOMALY_OUT_OF_ORDER,
					      ANOMALY_DUPLICATE_ACK,  ANOMALY_KEEPALIVE,      ANOMALY_ZERO_WINDOW,
					      ANOMALY_RST_EXACT,      ANOMALY_FIN_RETRANSMIT };
	static const enum anomaly events[] = { ANOMALY_FLAGS_SYN_FIN,         ANOMALY_LAND_PACKET,
					       ANOMALY_FRAGMENT_OVERLAP,      ANOMALY_BAD_TCP_CHECKSUM,
					       ANOMALY_RST_OUT_OF_WINDOW,     ANOMALY_RST_CONTRADICTED,
					       ANOMALY_TIME_WAIT_ASSASSINATED };

	(void)state;
	for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
		assert_true(anomaly_info(noise[i])->is_noise);
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		assert_false(anomaly_info(events[i])->is_noise);
}

static void a_set_holds_exactly_what_was_added(void **state)
{
	(void)state;
	for (unsigned added = 0; added < ANOMALY_COUNT; added++) {
		struct anomaly_set set = { .bits = { 0 } };

		assert_true(anomaly_set_empty(&set));
		anomaly_set_add(&set, (enum anomaly)added);
		assert_false(anomaly_set_empty(&set));
		for (unsigned i = 0; i < ANOMALY_COUNT; i++)
			assert_int_equal(anomaly_set_has(&set, (enum anomaly)i), i == added);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_anomaly_has_a_name_of_its_own),
		cmocka_unit_test(names_are_those_of_the_catalogue),
		cmocka_unit_test(decode_group_ends_before_syn_retransmit),
		cmocka_unit_test(noise_is_what_healthy_networks_show),
		cmocka_unit_test(a_set_holds_exactly_what_was_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
