/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "tcpwitness/base/ip_addr.h"

/*
 * An address that is used inside networks only (RFC 1918, 6598, 4193, loopback, link-local): whoever has it is one of
 * our own. Of others nothing is known; many networks use public addresses inside.
 */
bool ip_addr_is_inside(const struct ip_addr *address);
