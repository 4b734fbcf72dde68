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

/* How a connection ends. */
enum conversation_outcome {
	OUTCOME_FIN_BY_CLIENT = 0,
	OUTCOME_FIN_BY_SERVER,
	OUTCOME_RST_BY_CLIENT,
	OUTCOME_RST_BY_SERVER,
	OUTCOME_SILENT, /* established, then nothing more */
	OUTCOME_REFUSED,
	OUTCOME_UNANSWERED,
	OUTCOME_COUNT, /* not an outcome */
};

struct conversation_profile {
	uint32_t population; /* connections at any time, at most */
	uint32_t n_clients;
	uint32_t n_servers;
	double idle_mean_ns;  /* before a connection's successor takes its place, and before the first ones */
	double think_mean_ns; /* between an answer and the next request */
	double close_mean_ns; /* between the last answer and the end */
	uint32_t max_requests;
	uint32_t upload_permille; /* of requests: with as heavy a tail as answers */
	double answer_most_bytes; /* Pareto from 300 bytes up to this */
	uint32_t resend_permille; /* of data segments: sent twice */
	uint32_t outcome_permille[OUTCOME_COUNT];
};

/* Null when memory is short. profile is copied. */
struct conversations *conversations_create(uint64_t seed, const struct conversation_profile *profile,
					   uint64_t start_ns);
void conversations_destroy(struct conversations *conversations);

void conversations_next(struct conversations *conversations, struct segment *segment);

/* When the segment of the next conversations_next is. */
uint64_t conversations_next_ns(const struct conversations *conversations);

struct conversation_counts {
	uint64_t begun;     /* of which at least one segment was given */
	uint64_t open;      /* now: begun, and not closed, refused, given up or fallen silent */
	uint64_t most_open; /* at any time */
};

const struct conversation_counts *conversations_counts(const struct conversations *conversations);
