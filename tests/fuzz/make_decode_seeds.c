/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes the seeds of fuzz_decode, one file per sample frame, and some of fragments: make_decode_seeds FOLDER. What
 * libFuzzer adds stands beside them: path-*, one small input for each branch that no seed reaches (-set_cover_merge=1
 * -use_counters=0), and inputs that broke something under names that say what.
 */
#include <stdio.h>
#include <stdlib.h>

#include "packet_samples.h"

static struct packet_builder whole;
static struct packet_builder part;

static FILE *open_seed(const char *folder, const char *name, uint16_t link_type)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/seed-%s", folder, name);
	file = fopen(path, "wb");
	if (file == NULL) {
		fprintf(stderr, "%s: cannot be written: give a folder that exists\n", path);
		exit(1);
	}
	fputc(link_type >> 8, file);
	fputc(link_type & 0xff, file);
	fputc(0, file); /* checksums: auto */
	fputc(7, file); /* depth 8 */
	fputc(3, file); /* four datagrams */
	return file;
}

static void write_frame(FILE *file, const struct frame *frame, uint8_t seconds)
{
	fputc((int)(frame->captured_bytes >> 8), file);
	fputc((int)(frame->captured_bytes & 0xff), file);
	fputc(0, file);
	fputc(seconds, file);
	fwrite(frame->data, 1, frame->captured_bytes, file);
}

static void write_sample(const char *folder, const struct packet_sample *sample)
{
	struct frame frame;
	FILE *file;

	sample->build(&whole);
	frame = pb_frame(&whole);
	file = open_seed(folder, sample->name, frame.link_type);
	write_frame(file, &frame, 0);
	fclose(file);
}

/* The IP payload of the sample in pieces of 16 bytes, the last one first. */
static void write_fragments(const char *folder, const char *name, const struct packet_sample *sample,
			    uint32_t header_bytes)
{
	uint32_t payload_bytes;
	uint32_t offset;
	struct frame frame;
	FILE *file;

	sample->build(&whole);
	frame = pb_frame(&whole);
	file = open_seed(folder, name, frame.link_type);
	payload_bytes = frame.captured_bytes - header_bytes;
	offset = (payload_bytes - 1) / 16 * 16;
	frame = pb_fragment(&part, &whole, offset, payload_bytes - offset, 77);
	write_frame(file, &frame, 0);
	for (uint32_t at = 0; at < offset; at += 16) {
		frame = pb_fragment(&part, &whole, at, 16, 77);
		write_frame(file, &frame, 1);
	}
	fclose(file);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: make_decode_seeds FOLDER\n");
		return 2;
	}
	for (unsigned i = 0; i < n_packet_samples; i++)
		write_sample(argv[1], &packet_samples[i]);
	write_fragments(argv[1], "fragments_ipv4", &packet_samples[1], 34);
	write_fragments(argv[1], "fragments_ipv6", &packet_samples[2], 54);
	write_fragments(argv[1], "fragments_ipv6_extensions", &packet_samples[3], 54);
	return 0;
}
