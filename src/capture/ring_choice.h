/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Which of several rings a frame goes to: a program for the kernel (bpf(4), the classic kind), which it runs for each
 * frame and takes the result modulo the number of rings. The kernel's own choice by hash (PACKET_FANOUT_HASH) separates
 * what belongs together: an ICMP error from the connection that it quotes, and the two directions of a tunnel over UDP,
 * whose ports differ. So the choice is ours:
 *
 * - a TCP segment goes by both addresses and both ports, in whatever direction it passes;
 * - an ICMP error goes by the segment that it quotes;
 * - any other IP packet goes by both addresses: so all fragments of a datagram that the kernel did not put together go
 *   to one ring, and so does all that passes a tunnel between two hosts;
 * - the rest, in which no IP header is found, goes to the first ring.
 *
 * Rings are counted in the order in which they are in the group: when the interface was down and is up again, that is
 * another one, and connections go on in other rings.
 *
 * Tags of VLANs do not count. A segment behind an extension header of IPv6, or in fragments of IPv6, goes by its
 * addresses alone, and so perhaps to another ring than the rest of its connection.
 */
enum { RING_CHOICE_MAX_STEPS = 640 };

/* As struct sock_filter and struct bpf_insn, which no file can have both. */
struct ring_choice_step {
	uint16_t code;
	uint8_t if_true;
	uint8_t if_false;
	uint32_t k;
};

struct ring_choice {
	uint16_t n;
	struct ring_choice_step steps[RING_CHOICE_MAX_STEPS];
};

enum ring_choice_input {
	RING_CHOICE_KERNEL = 0,   /* what the kernel gives to the program of a group */
	RING_CHOICE_ETHERNET = 1, /* whole Ethernet frames, for bpf_filter(): tests */
};

/* secret: random, so that nobody can send all his connections to one ring. */
void ring_choice_write(struct ring_choice *choice, enum ring_choice_input input, uint64_t secret);
