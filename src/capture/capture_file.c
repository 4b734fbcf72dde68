/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One capture file as frames, by our own readers for pcap and pcapng, and by libpcap's for pcap of rare link types.
 * Decides how a file that stops in
 * the middle is told from one that ends, and says what is wrong with a file that is no capture.
 */
#include "capture_file.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "file_stream.h"
#include "pcap_reader.h"
#include "pcap_source.h"
#include "pcapng_reader.h"

struct capture_file {
	const struct break_request *request; /* borrowed */
	const char *name;                    /* for messages */
	struct file_stream *stream;
	struct pcapng_reader *pcapng; /* one of these three is not null */
	struct pcap_reader *pcap;
	pcap_t *handle;
	uint32_t tick_ns; /* this and the link type for the handle's frames */
	uint16_t link_type;
	uint64_t n_frames;
};

enum { MAGIC_BYTES = 4 };

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
	uint8_t head[FILE_STREAM_HEAD_BYTES];

	return file_stream_head(file->stream, head) >= sizeof(pcapng_magic) &&
	       memcmp(head, pcapng_magic, sizeof(pcapng_magic)) == 0;
}

/* Says why the file's beginning is refused; the reader's reason counts for captures only. Returns -1. */
static int refuse(const struct capture_file *file, const char *reason, struct error *error)
{
	uint8_t head[FILE_STREAM_HEAD_BYTES];
	size_t n_head = file_stream_head(file->stream, head);
	const char *damage = file_stream_damage(file->stream);

	if (damage != NULL)
		return error_set(error, "%s: no capture can be read from it: %s", file->name, damage);
	if (n_head == 0)
		return error_set(error, "%s: is empty once unpacked; a capture has at least a header", file->name);
	if (is_pcapng(file) || (n_head >= MAGIC_BYTES && is_pcap_magic(head)))
		return error_set(error, "%s: its header is cut off or damaged: %s", file->name, reason);
	return error_set(error, "%s: is neither pcap nor pcapng (plain, gzip or zstd)", file->name);
}

/* Returns 0, or -1 with *error filled. */
static int open_pcapng(struct capture_file *file, const char *bpf_filter, struct error *error)
{
	struct error reason;

	file->pcapng = pcapng_reader_open(file_stream_source(file->stream), &reason);
	if (file->pcapng == NULL)
		return refuse(file, reason.text, error);
	return pcapng_reader_set_filter(file->pcapng, bpf_filter, file->name, error);
}

/* A pcap file whose records only libpcap can read. Returns 0, or -1 with *error filled. */
static int open_with_libpcap(struct capture_file *file, const char *bpf_filter, struct error *error)
{
	char reason[PCAP_ERRBUF_SIZE] = "not enough memory to read it";
	FILE *stream = file_stream_fopen(file->stream);

	if (stream != NULL)
		file->handle = pcap_fopen_offline_with_tstamp_precision(stream, PCAP_TSTAMP_PRECISION_NANO, reason);
	if (file->handle == NULL) {
		if (stream != NULL)
			fclose(stream);
		return refuse(file, reason, error);
	}
	int link_type = pcap_source_link_type(file->handle, file->name, error);
	if (link_type < 0)
		return -1;
	file->link_type = (uint16_t)link_type;
	file->tick_ns = pcap_source_tick_ns(file->handle);
	return pcap_source_set_filter(file->handle, bpf_filter, file->name, error);
}

/* Returns 0, or -1 with *error filled. */
static int open_pcap(struct capture_file *file, const char *bpf_filter, struct error *error)
{
	char reason[PCAP_ERRBUF_SIZE] = "";
	uint8_t head[FILE_STREAM_HEAD_BYTES];
	size_t n_head = file_stream_head(file->stream, head);
	struct pcap_file_start start = { .bytes = head };

	if (n_head < MAGIC_BYTES || !is_pcap_magic(head))
		return refuse(file, reason, error);
	start.handle = pcap_source_open_header(head, n_head, reason);
	if (start.handle == NULL)
		return refuse(file, reason, error);
	bool is_ours = pcap_reader_serves(&start);
	if (is_ours)
		file->pcap = pcap_reader_open(file_stream_source(file->stream), &start, bpf_filter, file->name, error);
	pcap_close(start.handle);
	if (!is_ours)
		return open_with_libpcap(file, bpf_filter, error);
	return file->pcap != NULL ? 0 : -1;
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
	file_stream_opened(file->stream);
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
	pcap_reader_close(file->pcap);
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
	struct error trouble;

	switch (pcap_reader_next(file->pcap, frame, &trouble)) {
	case PCAP_READER_FRAME:
		return FILE_FRAME;
	case PCAP_READER_END:
		return end_of_file(file, NULL, reason);
	case PCAP_READER_DAMAGED:
		break;
	}
	return end_of_file(file, trouble.text, reason);
}

static enum file_result next_of_libpcap(struct capture_file *file, struct frame *frame, struct error *reason)
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
	enum file_result result;

	if (file->pcap != NULL)
		result = next_pcap(file, frame, reason);
	else if (file->pcapng != NULL)
		result = next_pcapng(file, frame, reason);
	else
		result = next_of_libpcap(file, frame, reason);
	file->n_frames += result == FILE_FRAME;
	return result;
}

size_t capture_file_more(struct capture_file *file, struct frame *frames, size_t n_max)
{
	size_t n_frames = 0; /* libpcap has one buffer, for one packet */

	if (file->pcap != NULL)
		n_frames = pcap_reader_more(file->pcap, frames, n_max);
	else if (file->pcapng != NULL)
		n_frames = pcapng_reader_more(file->pcapng, frames, n_max);
	file->n_frames += n_frames;
	return n_frames;
}

uint64_t capture_file_bytes_read(const struct capture_file *file)
{
	return file_stream_bytes_read(file->stream);
}

uint64_t capture_file_bytes_total(const struct capture_file *file)
{
	return file_stream_bytes_total(file->stream);
}
