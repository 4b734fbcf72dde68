/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes the program. Registers of its machine: A, where all is computed, and X, where the header at hand begins; what
 * has to last is in the scratch memory M[]. Ends are added up, so that it does not matter who sends.
 */
#include "ring_choice.h"

#include <assert.h>
#include <linux/filter.h>
#include <stddef.h>

/* Of M[]. */
enum { IP_BEGIN = 0, TCP_BEGIN, SUM, PART };

enum {
	ETHERNET_BYTES = 14,
	TYPE_IPV4 = 0x0800,
	TYPE_IPV6 = 0x86dd,
	MAX_TAGS = 2,
	TAG_BYTES = 4,
	IPV4_FRAGMENT = 6,
	IPV4_PROTOCOL = 9,
	IPV4_SRC = 12,
	IPV4_DST = 16,
	IPV6_NEXT = 6,
	IPV6_SRC = 8,
	IPV6_DST = 24,
	IPV6_BYTES = 40,
	IP_TCP = 6,
	IP_ICMP = 1,
	IP_ICMPV6 = 58,
	ICMP_BYTES = 8,
	PACKET_IS_OUTGOING = 4, /* PACKET_OUTGOING of packet(7) */
};

_Static_assert(sizeof(struct ring_choice_step) == sizeof(struct sock_filter), "the kernel reads it");
_Static_assert(offsetof(struct ring_choice_step, k) == offsetof(struct sock_filter, k), "the kernel reads it");

struct writer {
	struct ring_choice *choice;
	uint32_t xor ;
	uint32_t factors[5]; /* of the words of an address, and of ports; odd */
	uint32_t last_factor;
};

enum { OF_PORTS = 4 };

static uint16_t put(struct writer *to, uint16_t code, uint32_t k)
{
	uint16_t at = to->choice->n++;

	assert(at < RING_CHOICE_MAX_STEPS);
	to->choice->steps[at] = (struct ring_choice_step){ .code = code, .k = k };
	return at;
}

/* What follows, up to end_if, is done if the comparison (BPF_JEQ, BPF_JSET) holds for one of the values. */
static uint16_t put_if(struct writer *to, uint16_t comparison, const uint32_t *values, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint16_t at = put(to, BPF_JMP | comparison | BPF_K, values[i]);
		to->choice->steps[at].if_true = (uint8_t)(n - i);
	}
	return put(to, BPF_JMP | BPF_JA, 0);
}

static uint16_t put_if_equal(struct writer *to, uint32_t value)
{
	return put_if(to, BPF_JEQ, &value, 1);
}

static void end_if(struct writer *to, uint16_t begin)
{
	to->choice->steps[begin].k = (uint32_t)(to->choice->n - begin - 1);
}

/* Adds the word (BPF_W) or half word (BPF_H) of the header that begins at M[begin], mixed, to M[SUM]. */
static void put_part(struct writer *to, uint32_t begin, uint16_t size, uint32_t offset, uint32_t factor)
{
	put(to, BPF_LDX | BPF_MEM, begin);
	put(to, (uint16_t)(BPF_LD | size | BPF_IND), offset);
	put(to, BPF_ALU | BPF_XOR | BPF_K, to->xor);
	put(to, BPF_ALU | BPF_MUL | BPF_K, factor);
	put(to, BPF_ST, PART);
	put(to, BPF_ALU | BPF_RSH | BPF_K, 15);
	put(to, BPF_LDX | BPF_MEM, PART);
	put(to, BPF_ALU | BPF_XOR | BPF_X, 0);
	put(to, BPF_LDX | BPF_MEM, SUM);
	put(to, BPF_ALU | BPF_ADD | BPF_X, 0);
	put(to, BPF_ST, SUM);
}

static void put_ports(struct writer *to)
{
	put_part(to, TCP_BEGIN, BPF_H, 0, to->factors[OF_PORTS]);
	put_part(to, TCP_BEGIN, BPF_H, 2, to->factors[OF_PORTS]);
}

static void put_result(struct writer *to)
{
	put(to, BPF_LD | BPF_MEM, SUM);
	put(to, BPF_ALU | BPF_MUL | BPF_K, to->last_factor);
	put(to, BPF_ALU | BPF_RSH | BPF_K, 16);
	put(to, BPF_RET | BPF_A, 0);
}

static void clear_sum(struct writer *to)
{
	put(to, BPF_LD | BPF_IMM, 0);
	put(to, BPF_ST, SUM);
}

/* A = X + bytes. */
static void put_add(struct writer *to, uint32_t bytes)
{
	put(to, BPF_MISC | BPF_TXA, 0);
	/* Two names of 0. NOLINTNEXTLINE(misc-redundant-expression) */
	put(to, BPF_ALU | BPF_ADD | BPF_K, bytes);
}

/* M[to_begin] = X + bytes. */
static void put_begin(struct writer *to, uint32_t to_begin, uint32_t bytes)
{
	put_add(to, bytes);
	put(to, BPF_ST, to_begin);
}

/* Where the IPv4 header at M[IP_BEGIN] ends: to X and M[TCP_BEGIN]. */
static void put_ipv4_end(struct writer *to)
{
	put(to, BPF_LDX | BPF_MEM, IP_BEGIN);
	put(to, BPF_LD | BPF_B | BPF_IND, 0);
	put(to, BPF_ALU | BPF_AND | BPF_K, 0x0f);
	put(to, BPF_ALU | BPF_LSH | BPF_K, 2);
	put(to, BPF_ALU | BPF_ADD | BPF_X, 0);
	put(to, BPF_ST, TCP_BEGIN);
	put(to, BPF_MISC | BPF_TAX, 0);
}

static void put_load(struct writer *to, uint16_t size, uint32_t begin, uint32_t offset)
{
	put(to, BPF_LDX | BPF_MEM, begin);
	put(to, (uint16_t)(BPF_LD | size | BPF_IND), offset);
}

/* The program ends in it. */
static void put_ipv4(struct writer *to, bool is_quoted)
{
	static const uint32_t errors[] = { 3, 11, 12 }; /* RFC 792 */

	clear_sum(to);
	put_part(to, IP_BEGIN, BPF_W, IPV4_SRC, to->factors[0]);
	put_part(to, IP_BEGIN, BPF_W, IPV4_DST, to->factors[0]);
	put_load(to, BPF_H, IP_BEGIN, IPV4_FRAGMENT);
	put(to, BPF_ALU | BPF_AND | BPF_K, 0x3fff); /* more fragments, and the offset */
	uint16_t if_whole = put_if_equal(to, 0);
	put_load(to, BPF_B, IP_BEGIN, IPV4_PROTOCOL);
	uint16_t if_tcp = put_if_equal(to, IP_TCP);
	put_ipv4_end(to);
	put_ports(to);
	put_result(to);
	end_if(to, if_tcp);
	if (!is_quoted) {
		uint16_t if_icmp = put_if_equal(to, IP_ICMP);
		put_ipv4_end(to);
		put(to, BPF_LD | BPF_B | BPF_IND, 0);
		uint16_t if_error = put_if(to, BPF_JEQ, errors, sizeof(errors) / sizeof(errors[0]));
		put_begin(to, IP_BEGIN, ICMP_BYTES);
		put_ipv4(to, true);
		end_if(to, if_error);
		end_if(to, if_icmp);
	}
	end_if(to, if_whole);
	put_result(to);
}

/* The same. */
static void put_ipv6(struct writer *to, bool is_quoted)
{
	static const uint32_t errors[] = { 1, 2, 3, 4 }; /* RFC 4443 */

	clear_sum(to);
	for (uint32_t word = 0; word < 4; word++) {
		put_part(to, IP_BEGIN, BPF_W, IPV6_SRC + 4 * word, to->factors[word]);
		put_part(to, IP_BEGIN, BPF_W, IPV6_DST + 4 * word, to->factors[word]);
	}
	put_load(to, BPF_B, IP_BEGIN, IPV6_NEXT);
	uint16_t if_tcp = put_if_equal(to, IP_TCP);
	put_begin(to, TCP_BEGIN, IPV6_BYTES);
	put_ports(to);
	put_result(to);
	end_if(to, if_tcp);
	if (!is_quoted) {
		uint16_t if_icmp = put_if_equal(to, IP_ICMPV6);
		put(to, BPF_LD | BPF_B | BPF_IND, IPV6_BYTES);
		uint16_t if_error = put_if(to, BPF_JEQ, errors, sizeof(errors) / sizeof(errors[0]));
		put_begin(to, IP_BEGIN, IPV6_BYTES + ICMP_BYTES);
		put_ipv6(to, true);
		end_if(to, if_error);
		end_if(to, if_icmp);
	}
	put_result(to);
}

/*
 * The kernel gives what comes in from its network header on, and what goes out from its link header on, which only
 * Ethernet and the loopback interface have (ARPHRD_ETHER, ARPHRD_LOOPBACK). Then X is where the network header begins,
 * and A says of which protocol it is.
 */
static void put_begin_of_frame(struct writer *to, enum ring_choice_input input)
{
	static const uint32_t with_header[] = { 1, 772 };

	if (input == RING_CHOICE_ETHERNET) {
		put(to, BPF_LDX | BPF_IMM, ETHERNET_BYTES);
		put(to, BPF_LD | BPF_H | BPF_ABS, ETHERNET_BYTES - 2);
		return;
	}
	put(to, BPF_LDX | BPF_IMM, 0);
	put(to, BPF_LD | BPF_B | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE));
	uint16_t if_outgoing = put_if_equal(to, PACKET_IS_OUTGOING);
	put(to, BPF_LD | BPF_H | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_HATYPE));
	uint16_t if_header = put_if(to, BPF_JEQ, with_header, sizeof(with_header) / sizeof(with_header[0]));
	put(to, BPF_LDX | BPF_IMM, ETHERNET_BYTES);
	end_if(to, if_header);
	end_if(to, if_outgoing);
	put(to, BPF_LD | BPF_H | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL));
}

static void put_tags(struct writer *to)
{
	static const uint32_t types[] = { 0x8100, 0x88a8, 0x9100 };

	for (int i = 0; i < MAX_TAGS; i++) {
		uint16_t if_tag = put_if(to, BPF_JEQ, types, sizeof(types) / sizeof(types[0]));
		put(to, BPF_LD | BPF_H | BPF_IND, 2);
		put(to, BPF_ST, PART);
		put_add(to, TAG_BYTES);
		put(to, BPF_MISC | BPF_TAX, 0);
		put(to, BPF_LD | BPF_MEM, PART);
		end_if(to, if_tag);
	}
}

/* splitmix64, whose results look alike to nobody. */
static uint32_t next_number(uint64_t *secret)
{
	uint64_t word = *secret += UINT64_C(0x9E3779B97F4A7C15);

	word = (word ^ word >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	word = (word ^ word >> 27) * UINT64_C(0x94D049BB133111EB);
	return (uint32_t)(word >> 32);
}

void ring_choice_write(struct ring_choice *choice, enum ring_choice_input input, uint64_t secret)
{
	struct writer to = { .choice = choice };

	choice->n = 0;
	to.xor = next_number(&secret);
	for (size_t i = 0; i < sizeof(to.factors) / sizeof(to.factors[0]); i++)
		to.factors[i] = next_number(&secret) | 1;
	to.last_factor = next_number(&secret) | 1;
	put_begin_of_frame(&to, input);
	put_tags(&to);
	put(&to, BPF_STX, IP_BEGIN);
	uint16_t if_ipv4 = put_if_equal(&to, TYPE_IPV4);
	put_ipv4(&to, false);
	end_if(&to, if_ipv4);
	uint16_t if_ipv6 = put_if_equal(&to, TYPE_IPV6);
	put_ipv6(&to, false);
	end_if(&to, if_ipv6);
	put(&to, BPF_RET | BPF_K, 0);
}
