/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "tcpwitness/base/ip_addr.h"
#include "tcpwitness/base/word.h"

/*
 * Of an address, and a port if it has one (0 = none), for places where the key has the last word: whoever makes keys
 * share a place gains nothing but that they are looked for. Its upper bits are the best.
 */
static inline uint64_t unkeyed_hash(const struct ip_addr *ip, uint16_t port)
{
	uint64_t sum = word_load64(ip->bytes) ^ word_load64(ip->bytes + 8) ^ (uint64_t)port << 48;

	return sum * UINT64_C(0x9E3779B97F4A7C15);
}
