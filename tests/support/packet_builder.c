/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds frames for tests. Written apart from the decoder, with byte-wise sums and its own constants, so that
 * a mistake made in one is not repeated in the other.
 */
#include "packet_builder.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t ethernet_addresses[12] = { 0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1 };

static void require(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "packet_builder: %s\n", what);
	abort();
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t sum_bytes(uint32_t sum, const uint8_t *bytes, uint32_t n_bytes)
{
	for (uint32_t i = 0; i < n_bytes; i++)
		sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

struct packet_builder *pb_reset(struct packet_builder *pb)
{
	memset(pb, 0, sizeof(*pb));
	return pb;
}

static uint8_t *append(struct packet_builder *pb, uint32_t n_bytes)
{
	uint8_t *at = pb->bytes + pb->n_bytes;

	require(pb->n_bytes + n_bytes <= PB_BYTES_MAX, "no room for more bytes");
	memset(at, 0, n_bytes);
	pb->n_bytes += n_bytes;
	return at;
}

/* What a header has to say about the next one: an ethertype, and the protocol number inside IP. */
struct identity {
	uint16_t ethertype;
	uint16_t ppp;
	uint8_t protocol;
	uint8_t loopback_family;
};

static void tell_parent(struct packet_builder *pb, struct identity identity)
{
	uint8_t *parent;

	if (pb->n_layers == 0)
		return;
	parent = pb->bytes + pb->layers[pb->n_layers - 1].at;
	switch (pb->layers[pb->n_layers - 1].kind) {
	case PB_ETHERNET:
		put16(parent + 12, identity.ethertype);
		break;
	case PB_COOKED:
		put16(parent + 14, identity.ethertype);
		break;
	case PB_COOKED2:
		put16(parent, identity.ethertype);
		break;
	case PB_LOOPBACK:
		parent[parent[3] == 0xff ? 3 : 0] = identity.loopback_family;
		break;
	case PB_PPP:
		put16(parent + 2, identity.ppp);
		break;
	case PB_CISCO_HDLC:
	case PB_VLAN:
	case PB_GRE:
	case PB_GENEVE:
		put16(parent + 2, identity.ethertype);
		break;
	case PB_PPPOE:
		put16(parent + 6, identity.ppp);
		break;
	case PB_IPV4:
		parent[9] = identity.protocol;
		break;
	case PB_IPV6:
		parent[6] = identity.protocol;
		break;
	case PB_IPV6_EXTENSION:
		parent[0] = identity.protocol;
		break;
	case PB_MPLS:
	case PB_ERSPAN:
	case PB_UDP:
	case PB_VXLAN:
	case PB_GTPU:
	case PB_ICMP:
	case PB_ICMPV6:
	case PB_TCP:
	case PB_DATA:
		break;
	}
}

static uint8_t *add_layer(struct packet_builder *pb, enum pb_layer kind, uint32_t n_bytes, struct identity identity)
{
	tell_parent(pb, identity);
	require(pb->n_layers < PB_LAYERS_MAX, "no room for more headers");
	pb->layers[pb->n_layers].kind = kind;
	pb->layers[pb->n_layers].at = pb->n_bytes;
	pb->n_layers++;
	return append(pb, n_bytes);
}

static uint8_t *add_link(struct packet_builder *pb, enum pb_layer kind, uint32_t n_bytes, uint16_t link_type)
{
	require(pb->n_bytes == 0, "a link header stands first");
	pb->link_type = link_type;
	return add_layer(pb, kind, n_bytes, (struct identity){ 0 });
}

void pb_ethernet(struct packet_builder *pb)
{
	uint8_t *header;

	if (pb->n_bytes == 0)
		pb->link_type = 1;
	header = add_layer(pb, PB_ETHERNET, 14, (struct identity){ .ethertype = 0x6558 });
	memcpy(header, ethernet_addresses, sizeof(ethernet_addresses));
}

void pb_cooked(struct packet_builder *pb)
{
	uint8_t *header = add_link(pb, PB_COOKED, 16, 113);

	put16(header + 2, 1);
	put16(header + 4, 6);
	memcpy(header + 6, ethernet_addresses + 6, 6);
}

void pb_cooked2(struct packet_builder *pb)
{
	uint8_t *header = add_link(pb, PB_COOKED2, 20, 276);

	put32(header + 4, 2);
	put16(header + 8, 1);
	header[11] = 6;
	memcpy(header + 12, ethernet_addresses + 6, 6);
}

void pb_loopback(struct packet_builder *pb, bool is_little_endian)
{
	add_link(pb, PB_LOOPBACK, 4, 0)[3] = is_little_endian ? 0 : 0xff;
}

void pb_ppp(struct packet_builder *pb)
{
	put16(add_link(pb, PB_PPP, 4, 9), 0xff03);
}

void pb_cisco_hdlc(struct packet_builder *pb)
{
	put16(add_link(pb, PB_CISCO_HDLC, 4, 104), 0x0f00);
}

void pb_raw(struct packet_builder *pb)
{
	require(pb->n_bytes == 0, "a raw frame begins with its IP header");
	pb->link_type = 101;
}

void pb_vlan(struct packet_builder *pb, uint16_t tag_protocol, uint16_t vlan)
{
	put16(add_layer(pb, PB_VLAN, 4, (struct identity){ .ethertype = tag_protocol }), vlan);
}

void pb_mpls(struct packet_builder *pb, uint32_t label)
{
	put32(add_layer(pb, PB_MPLS, 4, (struct identity){ .ethertype = 0x8847, .ppp = 0x0281, .protocol = 137 }),
	      label << 12 | 64);
}

void pb_pppoe(struct packet_builder *pb)
{
	uint8_t *header = add_layer(pb, PB_PPPOE, 8, (struct identity){ .ethertype = 0x8864 });

	header[0] = 0x11;
	put16(header + 2, 1);
}

void pb_ipv4(struct packet_builder *pb, const char *src, const char *dst)
{
	const struct identity identity = { .ethertype = 0x0800, .ppp = 0x0021, .protocol = 4, .loopback_family = 2 };
	uint8_t *header = add_layer(pb, PB_IPV4, 20, identity);

	header[0] = 0x45;
	put16(header + 4, 0x1234);
	header[8] = 64;
	header[9] = 253;
	require(inet_pton(AF_INET, src, header + 12) == 1, "source is no IPv4 address");
	require(inet_pton(AF_INET, dst, header + 16) == 1, "destination is no IPv4 address");
}

void pb_ipv6(struct packet_builder *pb, const char *src, const char *dst)
{
	const struct identity identity = { .ethertype = 0x86dd, .ppp = 0x0057, .protocol = 41, .loopback_family = 30 };
	uint8_t *header = add_layer(pb, PB_IPV6, 40, identity);

	header[0] = 0x60;
	header[6] = 253;
	header[7] = 64;
	require(inet_pton(AF_INET6, src, header + 8) == 1, "source is no IPv6 address");
	require(inet_pton(AF_INET6, dst, header + 24) == 1, "destination is no IPv6 address");
}

void pb_ipv6_extension(struct packet_builder *pb, uint8_t number, uint32_t data_bytes)
{
	uint8_t *header = add_layer(pb, PB_IPV6_EXTENSION, 8 + data_bytes, (struct identity){ .protocol = number });

	require(data_bytes % 8 == 0, "an extension header is a multiple of 8 bytes");
	/* The authentication header alone counts words, less two. */
	header[1] = (uint8_t)(number == 51 ? (8 + data_bytes) / 4 - 2 : data_bytes / 8);
}

void pb_gre(struct packet_builder *pb, uint16_t flags)
{
	uint32_t n_bytes = 4;
	uint8_t *header;

	for (uint16_t bit = 0x1000; bit != 0; bit = (uint16_t)(bit << 1))
		n_bytes += (flags & bit) != 0 && bit != 0x4000 ? 4 : 0;
	if ((flags & 0x0081) == 0x0081)
		n_bytes += 4;
	header = add_layer(pb, PB_GRE, n_bytes, (struct identity){ .protocol = 47 });
	put16(header, flags);
	if ((flags & 7) == 1)
		put16(header + 2, 0x880b);
}

void pb_erspan(struct packet_builder *pb, unsigned type)
{
	uint8_t *header;

	pb_gre(pb, type == 1 ? 0 : 0x1000);
	put16(pb_header(pb, PB_GRE) + 2, type == 3 ? 0x22eb : 0x88be);
	if (type == 1) {
		/* Type I has no header, but keeps the Ethernet layer from changing GRE's protocol. */
		add_layer(pb, PB_ERSPAN, 0, (struct identity){ .ethertype = 0x88be });
		return;
	}
	header = add_layer(pb, PB_ERSPAN, type == 2 ? 8 : 12,
			   (struct identity){ .ethertype = type == 2 ? 0x88be : 0x22eb });
	header[0] = type == 2 ? 0x10 : 0x20;
}

void pb_udp(struct packet_builder *pb, uint16_t src_port, uint16_t dst_port)
{
	uint8_t *header = add_layer(pb, PB_UDP, 8, (struct identity){ .protocol = 17 });

	put16(header, src_port);
	put16(header + 2, dst_port);
}

void pb_vxlan(struct packet_builder *pb, uint32_t network)
{
	uint8_t *header = add_layer(pb, PB_VXLAN, 8, (struct identity){ 0 });

	header[0] = 0x08;
	put32(header + 4, network << 8);
}

void pb_geneve(struct packet_builder *pb, uint32_t network, uint32_t option_bytes)
{
	uint8_t *header = add_layer(pb, PB_GENEVE, 8 + option_bytes, (struct identity){ 0 });

	header[0] = (uint8_t)(option_bytes / 4);
	put32(header + 4, network << 8);
}

void pb_gtpu(struct packet_builder *pb, uint32_t tunnel, bool has_extension)
{
	uint8_t *header = add_layer(pb, PB_GTPU, has_extension ? 16 : 8, (struct identity){ 0 });

	header[0] = has_extension ? 0x36 : 0x30;
	header[1] = 255;
	put32(header + 4, tunnel);
	if (has_extension) {
		header[11] = 0x85; /* PDU session container */
		header[12] = 1;
	}
}

void pb_icmp(struct packet_builder *pb, uint8_t type, uint8_t code)
{
	enum pb_layer kind = PB_ICMP;
	uint8_t *header;

	for (uint32_t i = 0; i < pb->n_layers; i++) {
		if (pb->layers[i].kind == PB_IPV4)
			kind = PB_ICMP;
		if (pb->layers[i].kind == PB_IPV6)
			kind = PB_ICMPV6;
	}
	header = add_layer(pb, kind, 8, (struct identity){ .protocol = kind == PB_ICMP ? 1 : 58 });
	header[0] = type;
	header[1] = code;
}

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static uint32_t write_hex(const char *hex, uint8_t *out)
{
	uint32_t n_bytes = 0;
	unsigned value;

	while (sscanf(hex, "%2x", &value) == 1 && hex[0] != ',') {
		require(n_bytes < 40, "too many option bytes");
		out[n_bytes++] = (uint8_t)value;
		hex += 2;
		if (hex[0] == '\0')
			break;
	}
	return n_bytes;
}

static uint32_t write_sack(const char *text, uint8_t *out)
{
	uint32_t n_bytes = 2;
	unsigned left;
	unsigned right;
	int used;

	while (sscanf(text, " %u:%u%n", &left, &right, &used) == 2) {
		require(n_bytes + 8 <= 40, "too many SACK blocks");
		put32(out + n_bytes, left);
		put32(out + n_bytes + 4, right);
		n_bytes += 8;
		text += used;
	}
	out[0] = 5;
	out[1] = (uint8_t)n_bytes;
	return n_bytes;
}

/* One option of the list. out has room for 40 bytes. Returns how many were written. */
static uint32_t write_option(const char *text, uint8_t *out)
{
	unsigned first;
	unsigned second;

	if (sscanf(text, "mss %u", &first) == 1) {
		put16(out, 0x0204);
		put16(out + 2, first);
		return 4;
	}
	if (sscanf(text, "wscale %u", &first) == 1) {
		put16(out, 0x0303);
		out[2] = (uint8_t)first;
		return 3;
	}
	if (sscanf(text, "TS val %u ecr %u", &first, &second) == 2) {
		put16(out, 0x080a);
		put32(out + 2, first);
		put32(out + 6, second);
		return 10;
	}
	if (starts_with(text, "sackOK")) {
		put16(out, 0x0402);
		return 2;
	}
	if (starts_with(text, "sack "))
		return write_sack(text + 5, out);
	if (starts_with(text, "raw "))
		return write_hex(text + 4, out);
	require(starts_with(text, "nop") || starts_with(text, "eol"), "unknown TCP option");
	out[0] = starts_with(text, "nop") ? 1 : 0;
	return 1;
}

static uint32_t write_options(const char *text, uint8_t out[40])
{
	uint32_t n_bytes = 0;

	while (text != NULL && text[0] != '\0') {
		uint8_t option[48] = { 0 };
		uint32_t option_bytes = write_option(text, option);

		require(n_bytes + option_bytes <= 40, "TCP options are longer than 40 bytes");
		memcpy(out + n_bytes, option, option_bytes);
		n_bytes += option_bytes;
		text = strchr(text, ',');
		if (text != NULL)
			text++;
	}
	return (n_bytes + 3) / 4 * 4;
}

static uint16_t read_flags(const char *text)
{
	static const char letters[] = "FSRP.UEWe";
	uint16_t flags = 0;

	for (; text != NULL && text[0] != '\0'; text++) {
		const char *letter = strchr(letters, text[0]);

		require(letter != NULL, "unknown TCP flag");
		flags = (uint16_t)(flags | 1U << (letter - letters));
	}
	return flags;
}

void pb_tcp(struct packet_builder *pb, const struct pb_tcp *tcp)
{
	uint8_t options[40] = { 0 };
	uint32_t option_bytes = write_options(tcp->options, options);
	uint8_t *header = add_layer(pb, PB_TCP, 20 + option_bytes, (struct identity){ .protocol = 6 });

	put16(header, tcp->src_port);
	put16(header + 2, tcp->dst_port);
	put32(header + 4, tcp->seq);
	put32(header + 8, tcp->ack);
	put16(header + 12, (20 + option_bytes) / 4 << 12 | read_flags(tcp->flags));
	put16(header + 14, tcp->window);
	put16(header + 18, tcp->urgent);
	memcpy(header + 20, options, option_bytes);
}

void pb_data(struct packet_builder *pb, const void *data, uint32_t n_bytes)
{
	require(pb->n_layers < PB_LAYERS_MAX, "no room for more headers");
	pb->layers[pb->n_layers].kind = PB_DATA;
	pb->layers[pb->n_layers].at = pb->n_bytes;
	pb->n_layers++;
	memcpy(append(pb, n_bytes), data, n_bytes);
}

void pb_pattern(struct packet_builder *pb, uint32_t n_bytes)
{
	uint8_t *at = append(pb, n_bytes);

	for (uint32_t i = 0; i < n_bytes; i++)
		at[i] = (uint8_t)(i * 7 + (i >> 8) + 1);
}

void pb_icmp_quote(struct packet_builder *pb, uint8_t type, uint8_t code, const struct packet_builder *quoted,
		   uint32_t n_bytes)
{
	pb_icmp(pb, type, code);
	pb_data(pb, quoted->bytes, n_bytes < quoted->n_bytes ? n_bytes : quoted->n_bytes);
}

/* The pseudo-header's sum for a payload of the IP header nearest before that layer. */
static uint32_t sum_pseudo_header(const struct packet_builder *pb, uint32_t layer, uint8_t protocol)
{
	uint32_t n_bytes = pb->n_bytes - pb->layers[layer].at;
	uint8_t tail[8] = { 0 };

	put32(tail, n_bytes);
	tail[7] = protocol;
	while (layer > 0) {
		const uint8_t *header = pb->bytes + pb->layers[--layer].at;

		if (pb->layers[layer].kind == PB_IPV4)
			return sum_bytes(sum_bytes(0, header + 12, 8), tail, sizeof(tail));
		if (pb->layers[layer].kind == PB_IPV6)
			return sum_bytes(sum_bytes(0, header + 8, 32), tail, sizeof(tail));
	}
	return sum_bytes(0, tail, sizeof(tail));
}

static void put_checksum(uint8_t *field, uint32_t sum, const uint8_t *bytes, uint32_t n_bytes)
{
	put16(field, 0);
	put16(field, ~sum_bytes(sum, bytes, n_bytes) & 0xffff);
}

static void finish_ipv4(uint8_t *header, uint32_t n_bytes)
{
	put16(header + 2, n_bytes);
	put_checksum(header + 10, 0, header, (header[0] & 0x0fU) * 4);
}

static void finish_layer(struct packet_builder *pb, uint32_t layer)
{
	uint8_t *header = pb->bytes + pb->layers[layer].at;
	uint32_t n_bytes = pb->n_bytes - pb->layers[layer].at;

	switch (pb->layers[layer].kind) {
	case PB_MPLS:
		if (layer + 1 == pb->n_layers || pb->layers[layer + 1].kind != PB_MPLS)
			header[2] |= 1;
		break;
	case PB_LOOPBACK:
		if (header[3] == 0xff)
			header[3] = 0;
		break;
	case PB_PPPOE:
		put16(header + 4, n_bytes - 6);
		break;
	case PB_IPV4:
		finish_ipv4(header, n_bytes);
		break;
	case PB_IPV6:
		put16(header + 4, n_bytes - 40);
		break;
	case PB_GRE:
		if ((get16(header) & 7) == 1)
			put16(header + 4,
			      n_bytes - 8 - (get16(header) & 0x1000 ? 4U : 0) - (get16(header) & 0x80 ? 4U : 0));
		break;
	case PB_UDP:
		put16(header + 4, n_bytes);
		put_checksum(header + 6, sum_pseudo_header(pb, layer, 17), header, n_bytes);
		break;
	case PB_GTPU:
		put16(header + 2, n_bytes - 8);
		break;
	case PB_ICMP:
		put_checksum(header + 2, 0, header, n_bytes);
		break;
	case PB_ICMPV6:
		put_checksum(header + 2, sum_pseudo_header(pb, layer, 58), header, n_bytes);
		break;
	case PB_TCP:
		put_checksum(header + 16, sum_pseudo_header(pb, layer, 6), header, n_bytes);
		break;
	case PB_ETHERNET:
	case PB_COOKED:
	case PB_COOKED2:
	case PB_PPP:
	case PB_CISCO_HDLC:
	case PB_VLAN:
	case PB_IPV6_EXTENSION:
	case PB_ERSPAN:
	case PB_VXLAN:
	case PB_GENEVE:
	case PB_DATA:
		break;
	}
}

struct frame pb_frame(struct packet_builder *pb)
{
	for (uint32_t layer = pb->n_layers; layer > 0; layer--)
		finish_layer(pb, layer - 1);
	return (struct frame){ .data = pb->bytes,
			       .captured_bytes = pb->n_bytes,
			       .wire_bytes = pb->n_bytes,
			       .time_ns = UINT64_C(1000000000),
			       .number = 1,
			       .link_type = pb->link_type };
}

uint8_t *pb_header(struct packet_builder *pb, enum pb_layer kind)
{
	for (uint32_t layer = pb->n_layers; layer > 0; layer--) {
		if (pb->layers[layer - 1].kind == kind)
			return pb->bytes + pb->layers[layer - 1].at;
	}
	require(false, "no header of that kind");
	return NULL;
}

void pb_fix_ipv4_checksum(struct packet_builder *pb)
{
	uint8_t *header = pb_header(pb, PB_IPV4);

	put_checksum(header + 10, 0, header, (header[0] & 0x0fU) * 4);
}

struct frame pb_fragment(struct packet_builder *out, const struct packet_builder *whole, uint32_t offset_bytes,
			 uint32_t n_bytes, uint32_t id)
{
	uint32_t layer = 0;
	uint32_t ip_at;
	uint32_t payload_at;
	uint32_t payload_bytes;
	bool is_ipv4;
	bool has_more;
	uint8_t *header;

	while (layer < whole->n_layers && whole->layers[layer].kind != PB_IPV4 && whole->layers[layer].kind != PB_IPV6)
		layer++;
	require(layer < whole->n_layers, "no IP header to make fragments of");
	is_ipv4 = whole->layers[layer].kind == PB_IPV4;
	ip_at = whole->layers[layer].at;
	payload_at = ip_at + (is_ipv4 ? (whole->bytes[ip_at] & 0x0fU) * 4 : 40);
	payload_bytes = whole->n_bytes - payload_at;
	require(offset_bytes % 8 == 0 && offset_bytes + n_bytes <= payload_bytes, "no such fragment");
	has_more = offset_bytes + n_bytes < payload_bytes;

	pb_reset(out);
	out->link_type = whole->link_type;
	memcpy(out->layers, whole->layers, sizeof(out->layers));
	out->n_layers = layer + 1;
	memcpy(append(out, payload_at), whole->bytes, payload_at);
	header = out->bytes + ip_at;
	if (is_ipv4) {
		put16(header + 4, id);
		put16(header + 6, offset_bytes / 8 | (has_more ? 0x2000 : 0));
	} else {
		uint8_t next_header = header[6];
		uint8_t *fragment_header = add_layer(out, PB_IPV6_EXTENSION, 8, (struct identity){ .protocol = 44 });

		fragment_header[0] = next_header;
		put16(fragment_header + 2, offset_bytes | (has_more ? 1 : 0));
		put32(fragment_header + 4, id);
	}
	pb_data(out, whole->bytes + payload_at + offset_bytes, n_bytes);
	return pb_frame(out);
}
