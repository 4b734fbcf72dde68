/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reference for throughput: libpcap's own read loop, which looks at every header of a TCP segment and keeps
 * nothing. No program that reads captures with libpcap can be faster; the ratio to it means the same on every machine.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <pcap/pcap.h>

struct totals {
	uint64_t packets;
	uint64_t bytes;
	uint64_t tcp_segments;
	uint64_t digest; /* of ports, numbers and flags: keeps the compiler from leaving the reading out */
};

static uint32_t be16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t be32(const uint8_t *at)
{
	return be16(at) << 16 | be16(at + 2);
}

/* Offset of the TCP header in an Ethernet frame, or 0. */
static uint32_t find_tcp(const uint8_t *data, uint32_t n_bytes)
{
	if (n_bytes >= 14 + 20 && be16(data + 12) == 0x0800 && data[14 + 9] == 6)
		return 14 + 4 * (data[14] & 15U);
	if (n_bytes >= 14 + 40 && be16(data + 12) == 0x86dd && data[14 + 6] == 6)
		return 14 + 40;
	return 0;
}

static void touch(uint8_t *user, const struct pcap_pkthdr *header, const uint8_t *data)
{
	/* libpcap carries the caller's pointer as bytes. */
	struct totals *totals = (struct totals *)(void *)user;
	uint32_t at = find_tcp(data, header->caplen);

	totals->packets++;
	totals->bytes += header->len;
	if (at == 0 || at + 20 > header->caplen)
		return;
	const uint8_t *tcp = data + at;
	totals->tcp_segments++;
	totals->digest = totals->digest * 31 + (be32(tcp) ^ be32(tcp + 4) ^ be32(tcp + 8) ^ tcp[13] ^ be16(tcp + 14));
}

int main(int argc, char **argv)
{
	char reason[PCAP_ERRBUF_SIZE] = "";
	struct totals totals = { 0 };

	if (argc != 2) {
		fprintf(stderr, "usage: bench_pcap_loop FILE\n");
		return 2;
	}
	pcap_t *handle = pcap_open_offline_with_tstamp_precision(argv[1], PCAP_TSTAMP_PRECISION_NANO, reason);
	if (handle == NULL) {
		fprintf(stderr, "bench_pcap_loop: %s\n", reason);
		return 1;
	}
	int status = pcap_loop(handle, -1, touch, (uint8_t *)&totals);
	if (status < 0)
		fprintf(stderr, "bench_pcap_loop: %s: %s\n", argv[1], pcap_geterr(handle));
	pcap_close(handle);
	printf("{\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"tcp_segments\":%" PRIu64 ",\"digest\":\"%016" PRIx64
	       "\"}\n",
	       totals.packets, totals.bytes, totals.tcp_segments, totals.digest);
	return status < 0 ? 1 : 0;
}
