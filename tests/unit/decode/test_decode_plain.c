/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The short way of a plain frame against the long way, which decodes everything: the same packet, result and counters,
 * for plain frames and for whatever is almost one.
 */
#include "decode_test.h"

#include "packet_samples.h"
#include "random.h"

enum { ROUNDS = 60000 };

static const char *const options[] = {
	NULL,
	"nop,nop,TS val 101 ecr 200",
	"mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7",
	"mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 15",
	"mss 1460,nop,wscale 8,nop,nop,sackOK",
	"nop,nop,TS val 101 ecr 200,nop,nop,sack 5:9 20:30",
};

static const char *const flags[] = { ".", "P.", "F.", "S",  "S.",  "R.", "U.", "P.e",
				     "F", "",   "RS", "FS", "F.U", "R",  "PS", "FR." };

/* Ports are equal, or one of them is none, as often as not. */
static const uint16_t ports[] = { 0, 80, 81, 443 };

static const char *const ipv4_addrs[] = { "10.0.0.1",  "10.0.0.2",  "10.0.0.2",  "127.0.0.1",       "0.0.0.1",
					  "255.0.0.1", "224.0.0.1", "239.1.2.3", "255.255.255.255", "240.0.0.1" };
static const char *const ipv6_addrs[] = { "2001:db8::1", "2001:db8::2", "2001:db8::2", "::1",    "::2",
					  "7f00::1",     "ff02::1",     "fe80::1",     "e000::1" };

static const char *any_of(const char *const *texts, size_t n, struct random *random)
{
	return texts[random_below(random, (uint32_t)n)];
}

#define ANY_OF(texts, random) any_of(texts, sizeof(texts) / sizeof((texts)[0]), random)

static void build_any(struct packet_builder *pb, struct random *random)
{
	struct pb_tcp tcp = {
		.src_port = random_below(random, 2) == 0 ? (uint16_t)random_below(random, 65536)
							 : ports[random_below(random, 4)],
		.dst_port = random_below(random, 2) == 0 ? 80 : ports[random_below(random, 4)],
		.flags = random_below(random, 2) == 0 ? "." : ANY_OF(flags, random),
		.seq = random_below(random, UINT32_MAX),
		.ack = random_below(random, 2),
		.window = 500,
		.options = ANY_OF(options, random),
	};

	pb_ethernet(pb_reset(pb));
	for (uint32_t n = random_below(random, 3); n > 0 && random_below(random, 2) == 0; n--)
		pb_vlan(pb, random_below(random, 4) == 0 ? 0x88a8 : 0x8100, (uint16_t)random_below(random, 4096));
	if (random_below(random, 3) == 0)
		pb_ipv6(pb, ANY_OF(ipv6_addrs, random), ANY_OF(ipv6_addrs, random));
	else
		pb_ipv4(pb, ANY_OF(ipv4_addrs, random), ANY_OF(ipv4_addrs, random));
	pb_tcp(pb, &tcp);
	pb_pattern(pb, random_below(random, 2) * random_below(random, 200));
}

/* Some bit of the headers, or of a field on which the short way decides. */
static void change_any(struct packet_builder *pb, uint32_t n_bytes, struct random *random)
{
	static const uint8_t telling[] = { 12, 13, 14, 16, 17, 18, 20, 21, 22, 23, 46, 54 };
	uint32_t at = random_below(random, n_bytes < 100 ? n_bytes : 100);

	if (random_below(random, 2) == 0)
		at = telling[random_below(random, sizeof(telling))];
	pb->bytes[at] ^= (uint8_t)(1U << random_below(random, 8));
}

static bool has_ipv4(const struct packet_builder *pb)
{
	for (uint32_t i = 0; i < pb->n_layers; i++) {
		if (pb->layers[i].kind == PB_IPV4)
			return true;
	}
	return false;
}

/* Changed, cut in the capture, cut on the wire or with a trailer. */
static void both_ways_agree(void **state)
{
	struct decode_test *test = *state;
	struct random random = { 1 };
	unsigned n_segments = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		build_any(&test->pb, &random);
		struct frame frame = pb_frame(&test->pb);
		bool is_ipv4 = has_ipv4(&test->pb);
		if (random_below(&random, 4) == 0)
			memset(pb_header(&test->pb, PB_ETHERNET) + ETHERNET_SOURCE_AT, 0, 6);
		for (uint32_t n = random_below(&random, 3); n > 0; n--)
			change_any(&test->pb, frame.captured_bytes, &random);
		/* Or a wrong checksum would be the only reason for which headers are not plain. */
		if (is_ipv4 && random_below(&random, 4) != 0)
			pb_fix_ipv4_checksum(&test->pb);
		if (random_below(&random, 4) == 0)
			frame.wire_bytes -= random_below(&random, frame.captured_bytes);
		else if (random_below(&random, 4) == 0)
			frame.wire_bytes += random_below(&random, 100);
		if (random_below(&random, 3) == 0)
			frame.captured_bytes = random_below(&random, frame.captured_bytes + 1);
		n_segments += decode_both_ways(test, &frame) == DECODE_TCP;
	}
	assert_in_range(n_segments, ROUNDS / 4, ROUNDS - ROUNDS / 8);
}

static void both_ways_agree_whatever_is_checked(void **state)
{
	struct decode_test *test = *state;
	struct decoder_config config;

	decoder_config_defaults(&config);
	config.checksum = CHECKSUM_MODE_ON;
	decode_test_configure(test, &config);
	both_ways_agree(state);
	config.checksum = CHECKSUM_MODE_OFF;
	config.max_depth = 1;
	decode_test_configure(test, &config);
	both_ways_agree(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DECODE_TEST(both_ways_agree),
		DECODE_TEST(both_ways_agree_whatever_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
