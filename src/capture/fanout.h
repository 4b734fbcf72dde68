/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

#include "tcpwitness/base/error.h"

/*
 * Joins packet sockets that are bound to one interface to a group of their own (packet(7), PACKET_FANOUT): from then on
 * each frame goes to one of them, by ring_choice.h, and fragments of IPv4 come put together. name: the interface, for
 * the message. 0, or -1 with *error filled.
 */
int fanout_join(const int *fds, size_t n, const char *name, struct error *error);
