/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/base/frame.h"

#include "byte_window.h"

/* The packets of a pcapng file, from whichever of its interfaces and sections. */
struct pcapng_reader;

enum pcapng_result {
	PCAPNG_FRAME = 0,    /* *frame is filled, except for number and source */
	PCAPNG_END = 1,      /* the file's regular end */
	PCAPNG_DAMAGED = 2,  /* it ends here, although it should go on */
	PCAPNG_UNFITTING = 3 /* the filter has no meaning for the link type of the next frame's interface */
};

/*
 * Reads up to the first interface's description. source gives the file from its beginning, which is the magic of a
 * section. Null with *reason filled, which does not name the file.
 */
struct pcapng_reader *pcapng_reader_open(struct byte_source source, struct error *reason);
void pcapng_reader_close(struct pcapng_reader *reader);

/*
 * Before the first pcapng_reader_next, at most once: lets only frames through that match the filter (null or empty =
 * everything). name is for the message. Returns 0, or -1 with *error filled when it does not fit the first interface.
 */
int pcapng_reader_set_filter(struct pcapng_reader *reader, const char *bpf_filter, const char *name,
			     struct error *error);

/*
 * The next frame; those handed out before are given up. Not to be called again after another result than PCAPNG_FRAME.
 * After PCAPNG_DAMAGED and PCAPNG_UNFITTING *reason says why, without the file's name.
 */
enum pcapng_result pcapng_reader_next(struct pcapng_reader *reader, struct frame *frame, struct error *reason);

/* Up to n_max further frames that are in memory; the earlier ones stay valid. With 0, pcapng_reader_next knows more. */
size_t pcapng_reader_more(struct pcapng_reader *reader, struct frame *frames, size_t n_max);
