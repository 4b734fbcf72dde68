/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "tcpwitness/base/ip_addr.h"

/* "1:" and 28 base64 characters, with the final zero. */
#define COMMUNITY_ID_BYTES 32

/*
 * Community ID version 1 of a TCP 4-tuple, seed 0 (Corelight's community-id-spec). Both directions
 * give the same text. Returns text. Any thread.
 */
const char *community_id(const struct ip_addr *src, uint16_t src_port, const struct ip_addr *dst, uint16_t dst_port,
			 char text[static COMMUNITY_ID_BYTES]);
