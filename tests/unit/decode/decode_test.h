/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "packet_builder.h"
#include "decode_internal.h"
#include "tcpwitness/decode/decoder.h"

/*
 * A decoder with the defaults, for cmocka's per-test setup and teardown, and what was decoded last. A second one gets
 * the same frames and never goes the short way.
 */
struct decode_test {
	struct decoder *decoder;
	struct decoder *long_way;
	struct packet_builder pb;
	struct packet packet;
};

/* Begins anew with another configuration. */
static inline void decode_test_configure(struct decode_test *test, const struct decoder_config *config)
{
	decoder_destroy(test->decoder);
	decoder_destroy(test->long_way);
	test->decoder = decoder_create(config, NULL);
	test->long_way = decoder_create(config, NULL);
	assert_non_null(test->decoder);
	assert_non_null(test->long_way);
	test->long_way->no_short_way = true;
}

static inline int decode_test_setup(void **state)
{
	static struct decode_test test;
	struct decoder_config config;

	memset(&test, 0, sizeof(test));
	decoder_config_defaults(&config);
	decode_test_configure(&test, &config);
	*state = &test;
	return 0;
}

static inline int decode_test_teardown(void **state)
{
	struct decode_test *test = *state;

	decoder_destroy(test->decoder);
	decoder_destroy(test->long_way);
	return 0;
}

/* Decodes that frame both ways, which must come to the same. */
static inline enum decode_result decode_both_ways(struct decode_test *test, const struct frame *frame)
{
	struct packet packet;
	enum decode_result result = decoder_decode(test->decoder, frame, &test->packet);

	assert_string_equal(decode_result_name(decoder_decode(test->long_way, frame, &packet)),
			    decode_result_name(result));
	assert_memory_equal(&packet, &test->packet, sizeof(packet));
	assert_memory_equal(&test->decoder->stats, &test->long_way->stats, sizeof(test->decoder->stats));
	return result;
}

/* Decodes that frame; the result, by name, must be the expected one. */
static inline void expect_result(struct decode_test *test, const struct frame *frame, enum decode_result expected)
{
	enum decode_result result = decode_both_ways(test, frame);

	assert_string_equal(decode_result_name(result), decode_result_name(expected));
}

/* The same for what the builder holds. */
static inline void expect_built(struct decode_test *test, enum decode_result expected)
{
	struct frame frame = pb_frame(&test->pb);

	expect_result(test, &frame, expected);
}

/* The same for raw bytes. */
static inline void expect_bytes(struct decode_test *test, uint16_t link_type, const uint8_t *bytes, uint32_t n_bytes,
				enum decode_result expected)
{
	struct frame frame = {
		.data = bytes, .captured_bytes = n_bytes, .wire_bytes = n_bytes, .link_type = link_type
	};

	expect_result(test, &frame, expected);
}

static inline void expect_address(const struct ip_addr *addr, const char *text)
{
	char formatted[IP_ADDR_TEXT_BYTES];

	assert_string_equal(ip_addr_format(addr, formatted), text);
}

#define DECODE_TEST(name) cmocka_unit_test_setup_teardown(name, decode_test_setup, decode_test_teardown)
