/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Simpler detectors of SYN floods, for comparison on the same traffic (detection science, 1.1 and 2.1), each as it is
 * described with its usual values:
 *   packets     per host, the mean of 5 s above 20,000 packets/s, looked at every second (as FastNetMon's default)
 *   syns        700 SYNs to one host in 10 s (as public rules for Suricata)
 *   syn_fin     SYNs less FINs and RSTs in periods of 20 s, over the mean of FINs; CUSUM with 0.35 and 1.05 (Wang 2002)
 *   adaptive    SYNs in intervals of 10 s above 1.5 times their mean, 4 times in a row (Siris 2004)
 * The last two look at all traffic together and name no victim. Usage: baselines <CAPTURE; one line for each alarm
 * begun.
 */
#include <pcap/pcap.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOSTS = 1 << 16, PROBES = 16, SYN_WINDOW_S = 10, FIN = 1, SYN = 2, RST = 4, ACK = 16 };

struct host {
	uint32_t ip;
	uint32_t packets; /* of this second */
	uint32_t syns[SYN_WINDOW_S];
	double mean; /* packets a second */
	bool is_busy;
	bool is_flooded;
};

struct cusum {
	double mean_fins;
	double sum;
	uint64_t syns;
	uint64_t fins;
	bool is_alarmed;
};

struct adaptive {
	double mean;
	uint64_t syns;
	unsigned above;
	bool is_alarmed;
};

struct baselines {
	struct host *hosts;
	struct cusum cusum;
	struct adaptive adaptive;
	uint64_t first_s;
	uint64_t now_s;
};

static void alarm_on(const char *name, double time_s, uint32_t ip)
{
	printf("{\"baseline\":\"%s\",\"time\":%.6f", name, time_s);
	if (ip != 0)
		printf(",\"ip\":\"%u.%u.%u.%u\"", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
	puts("}");
}

/* Null when its place in the table is full: such a host is not watched. */
static struct host *host_of(struct baselines *baselines, uint32_t ip)
{
	uint32_t at = (ip * 2654435761u) >> 16;

	for (uint32_t i = 0; i < PROBES; i++) {
		struct host *host = &baselines->hosts[(at + i) % HOSTS];

		if (host->ip == ip)
			return host;
		if (host->ip == 0) {
			host->ip = ip;
			return host;
		}
	}
	return NULL;
}

static void end_second(struct baselines *baselines, double time_s)
{
	const double keeps = exp(-1.0 / 5);

	for (uint32_t i = 0; i < HOSTS; i++) {
		struct host *host = &baselines->hosts[i];

		if (host->ip == 0)
			continue;
		host->mean = host->mean * keeps + host->packets * (1 - keeps);
		if (host->mean > 20000 && !host->is_busy)
			alarm_on("packets", time_s, host->ip);
		host->is_busy = host->mean > 20000;
		host->packets = 0;
		host->syns[(baselines->now_s + 1) % SYN_WINDOW_S] = 0;
	}
}

static void end_period(struct cusum *cusum, double time_s)
{
	double difference = (double)cusum->syns - (double)cusum->fins;

	if (cusum->mean_fins > 0) {
		double next = cusum->sum + difference / cusum->mean_fins - 0.35;

		cusum->sum = next > 0 ? next : 0;
	}
	cusum->mean_fins =
		cusum->mean_fins <= 0 ? (double)cusum->fins : 0.9 * cusum->mean_fins + 0.1 * (double)cusum->fins;
	if (cusum->sum > 1.05 && !cusum->is_alarmed)
		alarm_on("syn_fin", time_s, 0);
	cusum->is_alarmed = cusum->sum > 1.05;
	cusum->syns = cusum->fins = 0;
}

static void end_interval(struct adaptive *adaptive, double time_s)
{
	bool is_above = adaptive->mean > 0 && (double)adaptive->syns > 1.5 * adaptive->mean;

	adaptive->above = is_above ? adaptive->above + 1 : 0;
	if (adaptive->above >= 4 && !adaptive->is_alarmed)
		alarm_on("adaptive", time_s, 0);
	adaptive->is_alarmed = adaptive->above >= 4;
	adaptive->mean =
		adaptive->mean <= 0 ? (double)adaptive->syns : 0.98 * adaptive->mean + 0.02 * (double)adaptive->syns;
	adaptive->syns = 0;
}

static void advance(struct baselines *baselines, uint64_t now_s)
{
	if (baselines->first_s == 0)
		baselines->first_s = baselines->now_s = now_s;
	while (baselines->now_s < now_s) {
		uint64_t past_s = baselines->now_s + 1 - baselines->first_s;

		end_second(baselines, (double)(baselines->now_s + 1));
		if (past_s % 20 == 0)
			end_period(&baselines->cusum, (double)(baselines->now_s + 1));
		if (past_s % 10 == 0)
			end_interval(&baselines->adaptive, (double)(baselines->now_s + 1));
		baselines->now_s++;
	}
}

static void count_syn(struct baselines *baselines, struct host *host, double time_s)
{
	uint32_t syns = 0;

	baselines->cusum.syns++;
	baselines->adaptive.syns++;
	if (host == NULL)
		return;
	host->syns[baselines->now_s % SYN_WINDOW_S]++;
	for (unsigned i = 0; i < SYN_WINDOW_S; i++)
		syns += host->syns[i];
	if (syns >= 700 && !host->is_flooded)
		alarm_on("syns", time_s, host->ip);
	host->is_flooded = syns >= 700;
}

/* IPv4 over Ethernet, with tags or without; others are none of theirs. */
static const uint8_t *ipv4_of(const uint8_t *frame, uint32_t bytes)
{
	uint32_t at = 12;

	while (at + 24 < bytes &&
	       ((frame[at] == 0x81 && frame[at + 1] == 0) || (frame[at] == 0x88 && frame[at + 1] == 0xa8)))
		at += 4;
	if (at + 2 + 20 + 14 > bytes || frame[at] != 8 || frame[at + 1] != 0 || frame[at + 11] != 6)
		return NULL;
	return frame + at + 2;
}

static void take(struct baselines *baselines, const struct pcap_pkthdr *header, const uint8_t *frame)
{
	const uint8_t *ip = ipv4_of(frame, header->caplen);
	struct host *host;
	uint8_t flags;
	double time_s = (double)header->ts.tv_sec + (double)header->ts.tv_usec / 1e9;

	if (ip == NULL)
		return;
	advance(baselines, (uint64_t)header->ts.tv_sec);
	flags = ip[20 + 13];
	host = host_of(baselines, (uint32_t)ip[16] << 24 | (uint32_t)ip[17] << 16 | (uint32_t)ip[18] << 8 | ip[19]);
	if (host != NULL)
		host->packets++;
	if ((flags & (SYN | ACK)) == SYN)
		count_syn(baselines, host, time_s);
	if ((flags & (FIN | RST)) != 0)
		baselines->cusum.fins++;
}

int main(void)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *capture = pcap_fopen_offline_with_tstamp_precision(stdin, PCAP_TSTAMP_PRECISION_NANO, error);
	struct baselines baselines = { .hosts = calloc(HOSTS, sizeof(struct host)) };
	struct pcap_pkthdr *header;
	const uint8_t *frame;

	if (capture == NULL || baselines.hosts == NULL) {
		fprintf(stderr, "baselines: %s\n", capture == NULL ? error : "not enough memory");
		return 1;
	}
	while (pcap_next_ex(capture, &header, &frame) == 1)
		take(&baselines, header, frame);
	pcap_close(capture);
	free(baselines.hosts);
	return 0;
}
