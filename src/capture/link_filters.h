/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <pcap/pcap.h>

#include "tcpwitness/base/error.h"

struct link_filter {
	uint16_t file_link_type;
	struct bpf_program program;
};

/* One filter for frames of several link types, compiled for each of them once. */
struct link_filters {
	char *expression; /* null = everything */
	struct link_filter *compiled;
	size_t n_compiled;
};

/*
 * Compiles the filter (null or empty = everything) for the file's first link type. name is for the message. Returns 0,
 * or -1 with *error filled. A fini is due in both cases.
 */
int link_filters_init(struct link_filters *filters, const char *bpf_filter, uint16_t first_link_type, const char *name,
		      struct error *error);
void link_filters_fini(struct link_filters *filters);

/*
 * The program for a link type; not for a filter that is everything. A filter that can match no frame of this link
 * type is a program that lets nothing through, but one that has no meaning there is an error: -1 with *error
 * filled, in which name says for what. *program is borrowed until the fini.
 */
int link_filters_get(struct link_filters *filters, uint16_t file_link_type, const char *name,
		     struct bpf_program *program, struct error *error);
