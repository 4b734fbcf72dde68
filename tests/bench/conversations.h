/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "frame_writer.h"

/*
 * A population of honest TCP connections, each of which goes through handshake, requests and answers and some end,
 * and is then replaced by a new one. Gives one segment after the other in the order of time.
 */
struct conversations;

/* population: connections at any time. Null when memory is short. */
struct conversations *conversations_create(uint64_t seed, uint32_t population, uint64_t start_ns);
void conversations_destroy(struct conversations *conversations);

void conversations_next(struct conversations *conversations, struct segment *segment);

/* When the segment of the next conversations_next is. */
uint64_t conversations_next_ns(const struct conversations *conversations);
