/* SPDX-License-Identifier: BSD-2-Clause */
/* The mirror port: segments become frames of a capture, with what mirror ports and captures do to them. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

enum { ETHERNET_BYTES = 14, FRAME_BYTES = 1600, LINKTYPE_ETHERNET = 1 };

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static uint32_t sum16(const uint8_t *bytes, size_t n, uint32_t sum)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	return n % 2 != 0 ? sum + ((uint32_t)bytes[n - 1] << 8) : sum;
}

static unsigned fold(uint32_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static size_t put_tcp(uint8_t *tcp, const struct segment *s)
{
	size_t header = 20u + s->n_options;

	put16(tcp, s->from_port);
	put16(tcp + 2, s->to_port);
	put32(tcp + 4, s->seq);
	put32(tcp + 8, s->ack);
	tcp[12] = (uint8_t)(header / 4 << 4);
	tcp[13] = s->flags;
	put16(tcp + 14, s->window);
	put32(tcp + 16, 0);
	memcpy(tcp + 20, s->options, s->n_options);
	memset(tcp + header, 0, s->payload_bytes);
	return header + s->payload_bytes;
}

static void put_v6_addr(uint8_t *at, uint32_t ip)
{
	static const uint8_t prefix[12] = { 0x20, 0x01, 0x0d, 0xb8 };

	memcpy(at, prefix, sizeof(prefix));
	put32(at + 12, ip);
}

static size_t put_ip(uint8_t *ip, const struct segment *s, bool ipv6)
{
	size_t header = ipv6 ? 40 : 20;
	size_t tcp_bytes = put_tcp(ip + header, s);
	uint32_t sum;

	memset(ip, 0, header);
	if (ipv6) {
		ip[0] = 0x60;
		put16(ip + 4, (unsigned)tcp_bytes);
		ip[6] = 6;
		ip[7] = s->ttl;
		put_v6_addr(ip + 8, s->from);
		put_v6_addr(ip + 24, s->to);
		sum = sum16(ip + 8, 32, 0);
	} else {
		ip[0] = 0x45;
		put16(ip + 2, (unsigned)(header + tcp_bytes));
		put16(ip + 4, s->ip_id);
		put16(ip + 6, 0x4000);
		ip[8] = s->ttl;
		ip[9] = 6;
		put32(ip + 12, s->from);
		put32(ip + 16, s->to);
		put16(ip + 10, fold(sum16(ip, header, 0)));
		sum = sum16(ip + 12, 8, 0);
	}
	put16(ip + header + 16, fold(sum16(ip + header, tcp_bytes, sum + 6 + (uint32_t)tcp_bytes)));
	return header + tcp_bytes;
}

static size_t put_frame(uint8_t *frame, const struct segment *s, const struct tap *tap, bool to_server)
{
	static const uint8_t macs[2][6] = { { 2, 0, 0, 0, 0, 1 }, { 2, 0, 0, 0, 0, 2 } };
	uint8_t *at = frame + 12;

	memcpy(frame, macs[to_server], 6);
	memcpy(frame + 6, macs[!to_server], 6);
	if (tap->outer_vlan != 0) {
		put16(at, 0x88a8);
		put16(at + 2, tap->outer_vlan);
		at += 4;
	}
	if (tap->vlan != 0) {
		put16(at, 0x8100);
		put16(at + 2, tap->vlan);
		at += 4;
	}
	put16(at, tap->ipv6 ? 0x86dd : 0x0800);
	return (size_t)(at + 2 - frame) + put_ip(at + 2, s, tap->ipv6);
}

static void write_frame(struct sim *sim, const uint8_t *frame, size_t bytes)
{
	uint64_t time_ns = sim->now_ns;

	if (sim->tap.step_ns != 0 && time_ns >= sim->tap.step_ns)
		time_ns -= sim->tap.step_back_ns;
	size_t kept = sim->tap.snaplen != 0 && sim->tap.snaplen < bytes ? sim->tap.snaplen : bytes;
	uint32_t header[4] = { (uint32_t)(time_ns / SIM_S), (uint32_t)(time_ns % SIM_S), (uint32_t)kept,
			       (uint32_t)bytes };
	fwrite(header, sizeof(header), 1, sim->capture);
	fwrite(frame, kept, 1, sim->capture);
	sim->n_packets++;
}

struct late_frame {
	size_t bytes;
	uint8_t frame[FRAME_BYTES];
};

static void write_late(struct sim *sim, void *who, uint64_t argument)
{
	struct late_frame *late = who;

	(void)argument;
	write_frame(sim, late->frame, late->bytes);
	free(late);
}

void tap_pass(struct sim *sim, const struct segment *segment, bool to_server)
{
	struct late_frame frame;

	if (sim->now_ns < sim->tap.blind_ns || (sim->tap.one_way && !to_server))
		return;
	if (sim_chance(sim, sim->tap.lost))
		return;
	frame.bytes = put_frame(frame.frame, segment, &sim->tap, to_server);
	if (sim_chance(sim, sim->tap.reordered)) {
		struct late_frame *late = malloc(sizeof(*late));
		if (late == NULL)
			abort();
		*late = frame;
		sim_in(sim, sim_below(sim, 2 * SIM_MS), write_late, late, 0);
		return;
	}
	write_frame(sim, frame.frame, frame.bytes);
	if (sim_chance(sim, sim->tap.doubled))
		write_frame(sim, frame.frame, frame.bytes);
}

int tap_begin(struct sim *sim)
{
	const struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t zone, accuracy, snaplen, link;
	} header = { 0xa1b23c4d, 2, 4, 0, 0, 65535, LINKTYPE_ETHERNET };

	return fwrite(&header, sizeof(header), 1, sim->capture) == 1 ? 0 : -1;
}

int tap_end(struct sim *sim)
{
	return fflush(sim->capture) == 0 && !ferror(sim->capture) ? 0 : -1;
}
