/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/base/frame.h"

#include "break_request.h"

/* One capture file, pcap or pcapng, read from its beginning to its end. */
struct capture_file;

enum file_result {
	FILE_FRAME = 0,   /* *frame is filled, except for number and source */
	FILE_END = 1,     /* its regular end */
	FILE_DAMAGED = 2, /* it ends here, although it should go on: *reason says why */
	FILE_BROKEN = 3,  /* a break was requested */
};

/* path and request are borrowed until the close. Null with *error filled on failure. */
struct capture_file *capture_file_open(const char *path, const char *bpf_filter, const struct break_request *request,
				       struct error *error);
void capture_file_close(struct capture_file *file);

/*
 * The next frame that the filter lets through; those handed out before are given up. Not to be called again after
 * another result than FILE_FRAME.
 */
enum file_result capture_file_next(struct capture_file *file, struct frame *frame, struct error *reason);

/*
 * Up to n_max further frames that are in memory; the earlier ones stay valid. 0 says nothing of what comes:
 * capture_file_next knows.
 */
size_t capture_file_more(struct capture_file *file, struct frame *frames, size_t n_max);

/* Any thread, as file_stream_bytes_read and _total. */
uint64_t capture_file_bytes_read(const struct capture_file *file);
uint64_t capture_file_bytes_total(const struct capture_file *file);
