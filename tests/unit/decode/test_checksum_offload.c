/* SPDX-License-Identifier: BSD-2-Clause */
/* Which wrong checksums are the sender's fault, and which are left for its interface to fill in. */
#include "decode_test.h"

#include "checksum_offload.h"

static struct checksum_offload offload;

static struct ip_addr address(unsigned number)
{
	struct ip_addr addr = { .version = 4,
				.bytes = { 10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number } };

	return addr;
}

static bool explains(unsigned host, enum tcp_checksum checksum)
{
	struct ip_addr addr = address(host);

	return checksum_offload_explains(&offload, &addr, checksum);
}

static int reset(void **state)
{
	(void)state;
	memset(&offload, 0, sizeof(offload));
	return 0;
}

static void the_partial_sum_is_enough_at_once(void **state)
{
	(void)state;
	assert_true(explains(1, TCP_CHECKSUM_PARTIAL));
	assert_true(explains(1, TCP_CHECKSUM_WRONG));
	assert_false(explains(2, TCP_CHECKSUM_WRONG));
}

static void a_wrong_one_among_right_ones_is_wrong(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		assert_false(explains(1, TCP_CHECKSUM_RIGHT));
		assert_false(explains(1, TCP_CHECKSUM_WRONG));
	}
}

static void three_wrong_ones_and_no_right_one_are_offload(void **state)
{
	(void)state;
	assert_false(explains(1, TCP_CHECKSUM_WRONG));
	assert_false(explains(1, TCP_CHECKSUM_WRONG));
	assert_true(explains(1, TCP_CHECKSUM_WRONG));
}

static void one_right_one_keeps_many_wrong_ones_from_being_explained(void **state)
{
	(void)state;
	assert_false(explains(1, TCP_CHECKSUM_RIGHT));
	for (unsigned i = 0; i < 1000; i++)
		assert_false(explains(1, TCP_CHECKSUM_WRONG));
}

/* Where addresses were rewritten after the capture, no host has a right one. */
static void three_wrong_ones_of_any_hosts_explain_all_while_none_is_right(void **state)
{
	(void)state;
	assert_false(explains(1, TCP_CHECKSUM_WRONG));
	assert_false(explains(2, TCP_CHECKSUM_WRONG));
	assert_true(explains(3, TCP_CHECKSUM_WRONG));
	assert_true(explains(4, TCP_CHECKSUM_WRONG));
	assert_false(explains(5, TCP_CHECKSUM_RIGHT));
	assert_false(explains(6, TCP_CHECKSUM_WRONG));
}

/* Whoever forges a segment of a host that fills its checksums in cannot make it pass by leaving the field empty. */
static void an_empty_field_counts_only_for_hosts_without_right_ones(void **state)
{
	(void)state;
	assert_true(explains(1, TCP_CHECKSUM_ZERO));
	assert_false(explains(2, TCP_CHECKSUM_RIGHT));
	assert_false(explains(2, TCP_CHECKSUM_ZERO));
}

/* Linux computes the checksums of its resets itself. */
static void some_right_ones_do_not_end_offload(void **state)
{
	(void)state;
	assert_true(explains(1, TCP_CHECKSUM_PARTIAL));
	for (unsigned i = 0; i < 31; i++)
		assert_false(explains(1, TCP_CHECKSUM_RIGHT));
	assert_true(explains(1, TCP_CHECKSUM_WRONG));
}

static void many_right_ones_end_offload(void **state)
{
	(void)state;
	assert_true(explains(1, TCP_CHECKSUM_PARTIAL));
	for (unsigned i = 0; i < 32; i++)
		assert_false(explains(1, TCP_CHECKSUM_RIGHT));
	assert_false(explains(1, TCP_CHECKSUM_WRONG));
	assert_true(explains(1, TCP_CHECKSUM_PARTIAL));
}

static void an_address_of_the_other_version_is_another_host(void **state)
{
	struct ip_addr other = address(1);

	(void)state;
	assert_true(explains(1, TCP_CHECKSUM_PARTIAL));
	other.version = 6;
	assert_false(checksum_offload_explains(&offload, &other, TCP_CHECKSUM_WRONG));
}

/* More hosts than fit: those that fell out are learned again, and a host in use between two others stays. */
static void a_busy_host_is_not_pushed_out(void **state)
{
	(void)state;
	assert_true(explains(1, TCP_CHECKSUM_PARTIAL));
	for (unsigned other = 2; other < 20000; other++) {
		explains(other, TCP_CHECKSUM_RIGHT);
		assert_true(explains(1, TCP_CHECKSUM_WRONG));
	}
}

/* Counters end at their greatest value: a host that was right for long is not one of which nothing is known. */
static void any_number_of_right_ones_is_remembered(void **state)
{
	(void)state;
	for (unsigned n_right = 1; n_right <= 600; n_right++) {
		assert_false(explains(1, TCP_CHECKSUM_RIGHT));
		if (n_right >= 250)
			assert_false(explains(1, TCP_CHECKSUM_ZERO));
	}
}

/* The host that was not used last has to go, and who gets its place begins anew. */
static void a_place_is_given_on_without_what_was_known(void **state)
{
	(void)state;
	for (unsigned host = 2; host < 20000; host++)
		assert_true(explains(host, TCP_CHECKSUM_PARTIAL));
	assert_false(explains(1, TCP_CHECKSUM_RIGHT));
	for (unsigned host = 30000; host < 50000; host++)
		assert_false(explains(host, TCP_CHECKSUM_WRONG));
	for (unsigned host = 2; host < 20000; host++)
		assert_false(explains(host, TCP_CHECKSUM_WRONG));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_partial_sum_is_enough_at_once, reset),
		cmocka_unit_test_setup(a_wrong_one_among_right_ones_is_wrong, reset),
		cmocka_unit_test_setup(three_wrong_ones_and_no_right_one_are_offload, reset),
		cmocka_unit_test_setup(three_wrong_ones_of_any_hosts_explain_all_while_none_is_right, reset),
		cmocka_unit_test_setup(one_right_one_keeps_many_wrong_ones_from_being_explained, reset),
		cmocka_unit_test_setup(an_empty_field_counts_only_for_hosts_without_right_ones, reset),
		cmocka_unit_test_setup(some_right_ones_do_not_end_offload, reset),
		cmocka_unit_test_setup(many_right_ones_end_offload, reset),
		cmocka_unit_test_setup(an_address_of_the_other_version_is_another_host, reset),
		cmocka_unit_test_setup(a_busy_host_is_not_pushed_out, reset),
		cmocka_unit_test_setup(any_number_of_right_ones_is_remembered, reset),
		cmocka_unit_test_setup(a_place_is_given_on_without_what_was_known, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
