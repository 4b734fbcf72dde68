/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "frame_writer.h"

/*
 * Connections that are all opened, one after the other, and then all stay: each further segment belongs to any one of
 * them, so nothing of a connection is in a cache when its next segment comes.
 */
struct many_flows;

/* Null when memory is short. */
struct many_flows *many_flows_create(uint64_t seed, uint32_t n_connections, uint64_t start_ns);
void many_flows_destroy(struct many_flows *flows);

void many_flows_next(struct many_flows *flows, struct segment *segment);
