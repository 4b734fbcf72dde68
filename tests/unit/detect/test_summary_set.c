/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which part of the tables counts what: told of a signal and of a key it is the same part, and no part has all of a
 * flood.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "summary_set.h"

enum { PARTS_TRIED = 5, HOSTS = 500 };

/* Where a part is looked up by key, only which table it is matters, not what is in it. */
static struct summary_set set_of(size_t n_parts)
{
	struct summary_set set = { .secret = { 3, 4 }, .n_parts = n_parts, .n_tables = n_parts, .n_filter_cells = 64 };

	for (size_t i = 0; i < n_parts; i++)
		set.tables[i] = (struct summary_table *)(uintptr_t)(i + 1);
	return set;
}

static unsigned part_of(const struct summary_set *set, const struct summary_key *key)
{
	return (unsigned)(uintptr_t)summary_set_table(set, 0, key) - 1;
}

static struct flow_signal completed(unsigned number)
{
	return (struct flow_signal){
		.kind = SIGNAL_COMPLETED,
		.client = { .version = 4, .bytes = { 10, 0, (uint8_t)(number >> 8), (uint8_t)number } },
		.server = { .version = 4, .bytes = { 198, 51, (uint8_t)(number >> 8), (uint8_t)number } },
		.server_port = (uint16_t)(80 + number % 7),
	};
}

static struct summary_shares shares_of(const struct summary_set *set, const struct flow_signal *signal)
{
	const struct summary_ends ends = { summary_address_hash(&signal->client),
					   summary_address_hash(&signal->server) };
	const struct summary_service_shares service =
		summary_set_service_shares(set, &signal->server, ends.server, signal->server_port);

	return summary_set_shares(set, signal, &ends, &service);
}

static void test_signals_and_keys_agree(void **state)
{
	(void)state;

	for (size_t n_parts = 1; n_parts <= PARTS_TRIED; n_parts++) {
		const struct summary_set set = set_of(n_parts);
		for (unsigned i = 0; i < HOSTS; i++) {
			const struct flow_signal signal = completed(i);
			const struct summary_shares shares = shares_of(&set, &signal);
			const struct summary_key keys[] = {
				summary_key_service(&signal.server, signal.server_port),
				summary_key_host(&signal.server),
				summary_key_prefix(&signal.server),
				summary_key_source(&signal.client),
				summary_key_pair(&signal.client, &signal.server, signal.server_port),
				summary_key_sensor(),
			};
			for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
				assert_int_equal(shares.part[keys[k].kind], part_of(&set, &keys[k]));
		}
	}
}

static void test_a_service_and_its_host_are_apart(void **state)
{
	(void)state;

	for (size_t n_parts = 2; n_parts <= PARTS_TRIED; n_parts++) {
		const struct summary_set set = set_of(n_parts);
		unsigned n_services[PARTS_TRIED] = { 0 };
		for (unsigned i = 0; i < HOSTS; i++) {
			const struct flow_signal signal = completed(i);
			const struct summary_shares shares = shares_of(&set, &signal);
			assert_int_not_equal(shares.part[SUMMARY_SERVICE], shares.part[SUMMARY_HOST]);
			n_services[shares.part[SUMMARY_SERVICE]]++;
		}
		for (size_t part = 0; part < n_parts; part++)
			assert_in_range(n_services[part], HOSTS / n_parts / 2, HOSTS / n_parts * 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signals_and_keys_agree),
		cmocka_unit_test(test_a_service_and_its_host_are_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
