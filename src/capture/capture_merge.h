/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/capture/capture.h"

#include "break_request.h"

/* Several capture files as one sequence in the order of time. */
struct capture_merge;

/* paths, filter and request are borrowed until the close. Null with *error filled on failure. */
struct capture_merge *capture_merge_open(const char *const *paths, size_t n_paths, const char *bpf_filter,
					 const struct break_request *request, struct error *error);
void capture_merge_close(struct capture_merge *merge);

/* As capture_next_burst; CAPTURE_FRAME, CAPTURE_END or CAPTURE_BROKEN. Numbers are left alone. */
enum capture_result capture_merge_next(struct capture_merge *merge, struct frame *frames, size_t n_max,
				       size_t *n_frames);

/* After CAPTURE_END: the reason of the first file that was cut short, or an empty text. */
const struct error *capture_merge_damage(const struct capture_merge *merge);

/* Any thread. The total is 0 when one of the files is a pipe. */
uint64_t capture_merge_bytes_read(const struct capture_merge *merge);
uint64_t capture_merge_bytes_total(const struct capture_merge *merge);
bool capture_merge_truncated(const struct capture_merge *merge);
