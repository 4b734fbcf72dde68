/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "frame_writer.h"

enum host_role { HOST_CLIENT = 0, HOST_SERVER = 1 };

/* The hosts of a workload, and who of them takes part in which connection: a function of the connection's number. */
struct hosts {
	uint32_t n_clients; /* at most 65535, as n_servers; no multiple of 7919, or not all are used */
	uint32_t n_servers;
	uint64_t seed;
};

/*
 * Ends of the connection with this number, from 0. A client's ports count up, so no tuple comes again before each
 * client had 64512 connections. Returns whether it is IPv6: a fifth is.
 */
bool hosts_assign(const struct hosts *hosts, uint64_t number, struct side *client, struct side *server);
