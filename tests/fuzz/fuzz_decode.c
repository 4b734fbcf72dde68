/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames from bytes, through one decoder, so that fragments and what is learned of hosts combine. The input:
 *
 *	link type (2)  checksum mode (1)  depth (1)  datagrams held (1)  then frames:
 *	bytes captured (2)  bytes only on the wire (1)  seconds since the last (1)  the bytes
 *
 * Numbers are big-endian. The last frame may be shorter than it says. A second decoder gets the same and never goes the
 * short way of decode_plain.c: both must come to the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/decode/decode_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_decode: broken: %s\n", what);
	abort();
}

static void check_segment(const struct packet *packet, enum decode_result result)
{
	require(packet->src.version == 4 || packet->src.version == 6, "an address is missing");
	require(packet->src.version == packet->dst.version, "addresses are of one version");
	require(packet->payload_captured_bytes <= packet->payload_bytes, "captured is at most what was sent");
	require(packet->payload_hash != 0, "what was captured has a hash");
	require(packet->options.n_sack_blocks <= 4, "at most four SACK blocks");
	require(((packet->options.present & TCPOPT_SACK) != 0) == (packet->options.n_sack_blocks > 0),
		"SACK blocks when there is a SACK option");
	require((packet->icmp_error != ICMP_ERROR_NONE) == (result == DECODE_ICMP_QUOTE), "only a quote is an error");
	if (result == DECODE_ICMP_QUOTE) {
		require(packet->checksum == CHECKSUM_UNCHECKED, "a quote's checksum is not judged");
		return;
	}
	require(packet->tcp_header_bytes >= 20 && packet->tcp_header_bytes <= 60, "a header is 20 to 60 bytes");
	require(packet->options.present == 0 || packet->options.layout != 0, "options have a layout");
	require(anomaly_set_has(&packet->anomalies, ANOMALY_BAD_TCP_CHECKSUM) == (packet->checksum == CHECKSUM_BAD),
		"a bad checksum is an anomaly");
}

static void check_packet(const struct packet *packet, const struct frame *frame, enum decode_result result)
{
	require((unsigned)result < DECODE_RESULT_COUNT, "a result that exists");
	require(decode_result_name(result) != NULL, "a result has a name");
	require(packet->n_vlans <= PACKET_MAX_VLANS, "VLAN tags have room");
	require(packet->n_tunnels <= PACKET_MAX_TUNNELS, "tunnels have room");
	for (unsigned i = 0; i < packet->n_vlans; i++)
		require(packet->vlans[i] < 4096, "a VLAN id has 12 bits");
	for (unsigned i = 0; i < packet->n_tunnels; i++)
		require(packet->tunnels[i] != TUNNEL_NONE && packet->tunnels[i] <= TUNNEL_ERSPAN,
			"a tunnel is of a kind");
	require(packet->number == frame->number && packet->time_ns == frame->time_ns, "the frame's number and time");
	for (unsigned i = 0; i < ANOMALY_COUNT; i++)
		require(!anomaly_set_has(&packet->anomalies, (enum anomaly)i) ||
				anomaly_info((enum anomaly)i)->is_decode,
			"only anomalies of decoding");
	if (result == DECODE_TCP || result == DECODE_ICMP_QUOTE)
		check_segment(packet, result);
}

/* Decodes a copy of exactly the frame's size, so that the sanitizer sees every byte read beyond it. */
static void decode_copy(struct decoder *decoder, struct decoder *long_way, struct frame *frame, const uint8_t *bytes)
{
	uint8_t *copy = malloc(frame->captured_bytes > 0 ? frame->captured_bytes : 1);
	struct packet packet;
	struct packet same;
	enum decode_result result;

	require(copy != NULL, "memory");
	memcpy(copy, bytes, frame->captured_bytes);
	frame->data = frame->captured_bytes > 0 ? copy : NULL;
	result = decoder_decode(decoder, frame, &packet);
	check_packet(&packet, frame, result);
	require(decoder_decode(long_way, frame, &same) == result, "the long way has the same result");
	/* Padding is cleared like all else. NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
	require(memcmp(&packet, &same, sizeof(packet)) == 0, "the long way gives the same packet");
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;
	struct frame frame = { .time_ns = UINT64_C(1700000000000000000) };
	struct decoder_config config;
	struct decoder *decoder;
	struct decoder *long_way;
	uint64_t n_results = 0;

	if (size < 5)
		return 0;
	decoder_config_defaults(&config);
	frame.link_type = (uint16_t)(data[0] << 8 | data[1]);
	config.checksum = (enum checksum_mode)(data[2] % 3);
	config.max_depth = (uint8_t)(data[3] % 16 + 1);
	config.max_fragments_held = data[4] % 8 + 1U;
	decoder = decoder_create(&config, NULL);
	long_way = decoder_create(&config, NULL);
	require(decoder != NULL && long_way != NULL, "memory");
	long_way->no_short_way = true;
	for (data += 5; end - data >= 4; data += 4 + frame.captured_bytes) {
		uint32_t claimed_bytes = (uint32_t)(data[0] << 8 | data[1]);

		frame.captured_bytes = claimed_bytes < end - data - 4 ? claimed_bytes : (uint32_t)(end - data - 4);
		frame.wire_bytes = frame.captured_bytes + data[2] * 16U;
		frame.time_ns += data[3] * UINT64_C(1000000000);
		frame.number++;
		decode_copy(decoder, long_way, &frame, data + 4);
	}
	for (unsigned i = 0; i < DECODE_RESULT_COUNT; i++)
		n_results += i == DECODE_FRAGMENT_HEADER_SPLIT ? 0 : decoder_get_stats(decoder)->results[i];
	require(n_results == frame.number, "every frame is counted once");
	require(memcmp(&decoder->stats, &long_way->stats, sizeof(decoder->stats)) == 0, "the long way counts the same");
	decoder_destroy(decoder);
	decoder_destroy(long_way);
	return 0;
}
