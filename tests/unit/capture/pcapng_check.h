/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Hand-built pcapng files through capture.h, and what is expected of them. A test has one file, written again for
 * each case. Include cmocka.h before.
 */

#include "tcpwitness/capture/capture.h"

#include "capture_builder.h"
#include "pcapng_builder.h"

static inline struct capture *open_one(const char *path, const char *filter)
{
	struct error error = { 0 };
	struct capture *capture = capture_open_files(&path, 1, filter, &error);

	if (capture == NULL)
		print_error("%s\n", error.text);
	assert_non_null(capture);
	return capture;
}

/* Writes the test's one file, again and again. Takes the bytes over. */
static inline const char *write_capture(struct folder *folder, struct bytes *bytes)
{
	const char *path = folder->n_files == 0 ? folder_name(folder, "test.pcapng") : folder->file[0];

	write_file(path, bytes->data, bytes->n);
	free(bytes);
	return path;
}

static inline struct capture *open_bytes(void **state, struct pcapng *pcapng, const char *filter)
{
	return open_one(write_capture(*state, pcapng->bytes), filter);
}

static inline struct frame next_frame(struct capture *capture)
{
	struct error error = { 0 };
	struct frame frame;

	if (capture_next(capture, &frame, &error) != CAPTURE_FRAME)
		fail_msg("no frame: %s", error.text);
	return frame;
}

/* The capture ends here, and nothing is wrong with it. */
static inline void assert_end(struct capture *capture)
{
	struct error error = { 0 };
	struct capture_stats stats;
	struct frame frame;

	assert_int_equal(capture_next(capture, &frame, &error), CAPTURE_END);
	assert_string_equal(error.text, "");
	capture_get_stats(capture, &stats);
	assert_false(stats.truncated);
	capture_close(capture);
}

/* The capture ends here, and the reason is reported. */
static inline void assert_cut(struct capture *capture, const char *expected)
{
	struct error error = { 0 };
	struct capture_stats stats;
	struct frame frame;

	assert_int_equal(capture_next(capture, &frame, &error), CAPTURE_END);
	if (strstr(error.text, expected) == NULL)
		fail_msg("'%s' does not contain '%s'", error.text, expected);
	assert_non_null(strstr(error.text, "test.pcapng: "));
	assert_null(strchr(error.text, '\n'));
	capture_get_stats(capture, &stats);
	assert_true(stats.truncated);
	capture_close(capture);
}

static inline void assert_refused(void **state, struct pcapng *pcapng, const char *filter, const char *expected)
{
	const char *path = write_capture(*state, pcapng->bytes);
	struct error error = { 0 };

	assert_null(capture_open_files(&path, 1, filter, &error));
	if (strstr(error.text, expected) == NULL)
		fail_msg("'%s' does not contain '%s'", error.text, expected);
	assert_non_null(strstr(error.text, "test.pcapng"));
}

/* Adds put_frame's frame as the interface's link type has it. */
static inline void put_to_port(struct pcapng *pcapng, uint32_t interface, uint16_t link_type, uint64_t ticks,
			       uint16_t port)
{
	uint8_t data[64];
	uint32_t n_bytes = build_frame(data, link_type, port);

	put_enhanced(pcapng, interface, ticks, data, n_bytes, n_bytes);
}

static inline uint16_t port_at(const struct frame *frame, uint32_t ip_at)
{
	assert_true(frame->captured_bytes >= ip_at + 24);
	assert_int_equal(frame->data[ip_at], 0x45); /* IPv4, no options */
	return (uint16_t)(frame->data[ip_at + 22] << 8 | frame->data[ip_at + 23]);
}

/* Finds the IP header as a decoder does: by the frame's own link type. */
static inline uint16_t frame_port(const struct frame *frame)
{
	switch (frame->link_type) {
	case LINK_ETHERNET:
		return port_at(frame, 14);
	case LINK_LINUX_SLL:
		return port_at(frame, 16);
	case DLT_OF_RAW_IP:
	case LINK_RAW_IPV4:
		return port_at(frame, 0);
	default:
		fail_msg("link type %u", frame->link_type);
		return 0;
	}
}

/* Reads to the end, whatever there is. */
static inline size_t drain(struct capture *capture, struct error *error, bool *truncated)
{
	struct capture_stats stats;
	struct frame frame;
	size_t n_frames = 0;

	while (capture_next(capture, &frame, error) == CAPTURE_FRAME) {
		assert_true(frame.wire_bytes >= frame.captured_bytes);
		n_frames++;
	}
	capture_get_stats(capture, &stats);
	*truncated = stats.truncated;
	capture_close(capture);
	return n_frames;
}
