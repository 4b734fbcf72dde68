/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "frame_writer.h"

/* Captures of what senders do who want a tracker to work, or to remember, more than it can. Each has a name. */
bool hostile_is_known(const char *name);
void hostile_print(FILE *to);

/* Puts frames until the file is full. name is a known one; *n_connections: how many tuples there are. */
void hostile_put(const char *name, struct frame_writer *writer, uint64_t seed, uint64_t start_ns,
		 uint64_t *n_connections);
