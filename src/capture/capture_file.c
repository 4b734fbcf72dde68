/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One capture file as frames, by libpcap's reader for pcap and our own for pcapng. Decides how a file that stops in
 * the middle is told from one that ends, and says what is wrong with a file that is no capture.
 */
#include "capture_file.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "file_stream.h"
#include "pcap_source.h"
#include "pcapng_reader.h"

struct capture_file {
	const struct break_request *request; /* borrowed */
	const char *name;                    /* for messages */
	struct file_stream *stream;
	struct pcapng_reader *pcapng; /* null for pcap, which the three below are for */
	pcap_t *handle;
	uint32_t tick_ns;
	uint16_t link_type;
	uint64_t n_frames;
};

/* A section's block type, the same in both byte orders. */
static const uint8_t pcapng_magic[] = { 0x0a, 0x0d, 0x0d, 0x0a };

/* Whether the bytes begin as pcap does, in any of its variants and byte orders. */
static bool is_pcap_magic(const uint8_t head[static 4])
{
	/* clang-format off */
	static const uint8_t magics[][4] = {
		{ 0xa1, 0xb2, 0xc3, 0xd4 }, { 0xd4, 0xc3, 0xb2, 0xa1 }, /* microseconds */
		{ 0xa1, 0xb2, 0x3c, 0x4d }, { 0x4d, 0x3c, 0xb2, 0xa1 }, /* nanoseconds */
		{ 0xa1, 0xb2, 0xcd, 0x34 }, { 0x34, 0xcd, 0xb2, 0xa1 }, /* the variant with longer record headers */
	};
	/* clang-format on */

	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
		if (memcmp(head, magics[i], sizeof(magics[i])) == 0)
			return true;
	}
	return false;
}

static bool is_pcapng(const struct capture_file *file)
{
	uint8_t head[4];

	return file_stream_head(file->stream, head) == sizeof(head) &&
	       memcmp(head, pcapng_magic, sizeof(pcapng_magic)) == 0;
}

/* Says why the file's beginning is refused; the reader's reason counts for captures only. Returns -1. */
static int refuse(const struct capture_file *file, const char *reason, struct error *error)
{
	uint8_t head[4];
	size_t n_head = file_stream_head(file->stream, head);
	const char *damage = file_stream_damage(file->stream);

	if (damage != NULL)
		return error_set(error, "%s: no capture can be read from it: %s", file->name, damage);
	if (n_head == 0)
		return error_set(error, "%s: is empty once unpacked; a capture has at least a header", file->name);
	if (is_pcapng(file) || (n_head == sizeof(head) && is_pcap_magic(head)))
		return error_set(error, "%s: its header is cut off or damaged: %s", file->name, reason);
	return error_set(error, "%s: is neither pcap nor pcapng (plain, gzip or zstd)", file->name);
}

/* Returns 0, or -1 with *error filled. */
static int open_pcapng(struct capture_file *file, const char *bpf_filter, struct error *error)
{
	struct error reason;

	file->pcapng = pcapng_reader_open(file_stream_file(file->stream), &reason);
	if (file->pcapng == NULL)
		return refuse(file, reason.text, error);
	file_stream_handed_over(file->stream);
	return pcapng_reader_set_filter(file->pcapng, bpf_filter, file->name, error);
}

/* Returns 0, or -1 with *error filled. */
static int open_pcap(struct capture_file *file, const char *bpf_filter, struct error *error)
{
	char reason[PCAP_ERRBUF_SIZE] = "";

	file->handle = pcap_fopen_offline_with_tstamp_precision(file_stream_file(file->stream),
								PCAP_TSTAMP_PRECISION_NANO, reason);
	if (file->handle == NULL)
		return refuse(file, reason, error);
	file_stream_handed_over(file->stream);
	int link_type = pcap_source_link_type(file->handle, file->name, error);
	if (link_type < 0)
		return -1;
	file->link_type = (uint16_t)link_type;
	file->tick_ns = pcap_source_tick_ns(file->handle);
	return pcap_source_set_filter(file->handle, bpf_filter, file->name, error);
}

struct capture_file *capture_file_open(const char *path, const char *bpf_filter, const struct break_request *request,
				       struct error *error)
{
	struct capture_file *file = calloc(1, sizeof(*file));

	if (file == NULL) {
		error_set(error, "%s: not enough memory to read it", path);
		return NULL;
	}
	file->request = request;
	file->name = file_stream_display_name(path);
	file->stream = file_stream_open(path, request, error);
	if (file->stream == NULL)
		goto fail;
	if ((is_pcapng(file) ? open_pcapng(file, bpf_filter, error) : open_pcap(file, bpf_filter, error)) < 0)
		goto fail;
	return file;
fail:
	capture_file_close(file);
	return NULL;
}

void capture_file_close(struct capture_file *file)
{
	if (file == NULL)
		return;
	pcapng_reader_close(file->pcapng);
	if (file->handle != NULL)
		pcap_close(file->handle);
	file_stream_close(file->stream);
	free(file);
}

/* Why reading ended. trouble is the reader's reason, or null when the file seemed to end between two records. */
static enum file_result end_of_file(const struct capture_file *file, const char *trouble, struct error *reason)
{
	const char *damage = file_stream_damage(file->stream);

	if (break_requested(file->request))
		return FILE_BROKEN;
	if (damage != NULL)
		trouble = damage;
	if (trouble == NULL)
		return FILE_END;
	error_set(reason, "%s: cut off or damaged after %" PRIu64 " frames, read up to there: %s", file->name,
		  file->n_frames, trouble);
	return FILE_DAMAGED;
}

static enum file_result next_pcapng(struct capture_file *file, struct frame *frame, struct error *reason)
{
	struct error trouble;

	switch (pcapng_reader_next(file->pcapng, frame, &trouble)) {
	case PCAPNG_FRAME:
		return FILE_FRAME;
	case PCAPNG_END:
		return end_of_file(file, NULL, reason);
	case PCAPNG_UNFITTING:
		error_set(reason, "%s: read up to frame %" PRIu64 " only: %s", file->name, file->n_frames,
			  trouble.text);
		return FILE_DAMAGED;
	case PCAPNG_DAMAGED:
		break;
	}
	return end_of_file(file, trouble.text, reason);
}

static enum file_result next_pcap(struct capture_file *file, struct frame *frame, struct error *reason)
{
	struct pcap_pkthdr *header;
	const uint8_t *data;
	int status = pcap_next_ex(file->handle, &header, &data);

	if (status != 1)
		return end_of_file(file, status == PCAP_ERROR_BREAK ? NULL : pcap_geterr(file->handle), reason);
	pcap_source_fill_frame(header, data, file->tick_ns, frame);
	frame->link_type = file->link_type;
	return FILE_FRAME;
}

enum file_result capture_file_next(struct capture_file *file, struct frame *frame, struct error *reason)
{
	enum file_result result =
		file->pcapng != NULL ? next_pcapng(file, frame, reason) : next_pcap(file, frame, reason);

	file->n_frames += result == FILE_FRAME;
	return result;
}

uint64_t capture_file_bytes_read(const struct capture_file *file)
{
	return file_stream_bytes_read(file->stream);
}

uint64_t capture_file_bytes_total(const struct capture_file *file)
{
	return file_stream_bytes_total(file->stream);
}
