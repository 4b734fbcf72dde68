/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pcapng files that are cut off, damaged or forged: what is still delivered of them, and that the message says what is
 * wrong and where.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "pcapng_check.h"

/* Everything the reader knows, two sections, eight frames. *ends: where each block ends. */
static struct bytes *kitchen_sink(size_t ends[static 16], size_t *n_blocks, size_t frames_before[static 17])
{
	struct pcapng pcapng = { .bytes = bytes_new() };

	*n_blocks = 0;
	for (int section = 0; section < 2; section++) {
		size_t n = *n_blocks;
		pcapng.big_endian = section == 1;
		put_section(&pcapng);
		ends[n++] = pcapng.bytes->n;
		put_clock_interface(&pcapng, 9, 5);
		ends[n++] = pcapng.bytes->n;
		put_to_port(&pcapng, 0, LINK_ETHERNET, 1, 1);
		ends[n++] = pcapng.bytes->n;
		put_simple(&pcapng, "simple", 6, 6);
		ends[n++] = pcapng.bytes->n;
		put_other(&pcapng, BLOCK_STATISTICS, 24);
		ends[n++] = pcapng.bytes->n;
		put_interface(&pcapng, LINK_RAW_IP, 100);
		ends[n++] = pcapng.bytes->n;
		put_obsolete(&pcapng, 1, 3, "obsolete", 8, 8);
		ends[n++] = pcapng.bytes->n;
		put_to_port(&pcapng, 1, LINK_RAW_IP, 4, 4);
		ends[n++] = pcapng.bytes->n;
		*n_blocks = n;
	}
	frames_before[0] = 0;
	for (size_t i = 0; i < *n_blocks; i++) {
		bool is_packet = i % 8 == 2 || i % 8 == 3 || i % 8 == 6 || i % 8 == 7;
		frames_before[i + 1] = frames_before[i] + is_packet;
	}
	return pcapng.bytes;
}

/* Whole blocks before the cut count, and only a cut between two blocks is silent. */
static void test_cut_at_every_byte(void **state)
{
	const char *path = folder_name(*state, "test.pcapng");
	size_t ends[16];
	size_t frames_before[17];
	size_t n_blocks;
	struct bytes *bytes = kitchen_sink(ends, &n_blocks, frames_before);

	assert_int_equal(frames_before[n_blocks], 8);
	for (size_t n = ends[1]; n <= bytes->n; n++) {
		struct error error = { 0 };
		size_t n_whole = 0;
		bool truncated;
		while (n_whole < n_blocks && ends[n_whole] <= n)
			n_whole++;
		write_file(path, bytes->data, n);
		size_t n_frames = drain(open_one(path, NULL), &error, &truncated);
		assert_int_equal(n_frames, frames_before[n_whole]);
		assert_int_equal(truncated, ends[n_whole - 1] != n);
		if (truncated) {
			char expected[80];
			snprintf(expected, sizeof(expected), "the block at byte %zu is cut off", ends[n_whole - 1]);
			assert_non_null(strstr(error.text, expected));
		} else {
			assert_string_equal(error.text, "");
		}
	}
	free(bytes);
}

/* Each byte in two ways: no frame too many, and what was opened has an end. */
static void test_every_flipped_byte_is_survived(void **state)
{
	const char *path = folder_name(*state, "test.pcapng");
	size_t ends[16];
	size_t frames_before[17];
	size_t n_blocks;
	struct bytes *bytes = kitchen_sink(ends, &n_blocks, frames_before);

	for (size_t i = 0; i < 2 * bytes->n; i++) {
		uint8_t flip = i % 2 == 0 ? 0xff : 0x01;
		struct error error = { 0 };
		bool truncated;
		bytes->data[i / 2] ^= flip;
		write_file(path, bytes->data, bytes->n);
		struct capture *capture = capture_open_files(&path, 1, "not udp", &error);
		if (capture != NULL) {
			assert_true(drain(capture, &error, &truncated) <= frames_before[n_blocks]);
			assert_int_equal(truncated, error.text[0] != '\0');
		} else {
			assert_true(error.text[0] != '\0');
		}
		bytes->data[i / 2] ^= flip;
	}
	free(bytes);
}

/* Writes a number into the last block. */
static void patch(struct pcapng *pcapng, size_t at, uint32_t value, size_t n)
{
	size_t end = pcapng->bytes->n;

	pcapng->bytes->n = pcapng->block_at + at;
	put_int(pcapng->bytes, pcapng->big_endian, value, n);
	pcapng->bytes->n = end;
}

static void damage_length(struct pcapng *pcapng, uint32_t length)
{
	patch(pcapng, 4, length, 4);
	patch(pcapng, pcapng->bytes->n - pcapng->block_at - 4, length, 4);
}

/* What the last block is in each case, as text that the message must contain. */
static void put_damaged(struct pcapng *pcapng, int which, const char **expected)
{
	switch (which) {
	case 0:
		put_other(pcapng, BLOCK_CUSTOM, 16);
		damage_length(pcapng, 8);
		*expected = "the block at byte 132 has an impossible length of 8 bytes";
		break;
	case 1:
		put_other(pcapng, BLOCK_CUSTOM, 16);
		damage_length(pcapng, 26);
		*expected = "impossible length of 26 bytes";
		break;
	case 2:
		put_other(pcapng, BLOCK_CUSTOM, 16);
		damage_length(pcapng, 16 * 1024 * 1024 + 36);
		*expected = "impossible length of 16777252 bytes";
		break;
	case 3:
		put_other(pcapng, BLOCK_CUSTOM, 16);
		damage_length(pcapng, 16 * 1024 * 1024 + 32); /* the largest, but it is not there */
		*expected = "the block at byte 132 is cut off";
		break;
	case 4:
		put_other(pcapng, BLOCK_CUSTOM, 16);
		patch(pcapng, 24, 24, 4);
		*expected = "has a length of 28 bytes by its beginning and of 24 by its end";
		break;
	case 5:
		put_section(pcapng);
		pcapng->bytes->data[132 + 8] ^= 1;
		*expected = "the section at byte 132 has no byte-order magic";
		break;
	case 6:
		put_section(pcapng);
		pcapng->bytes->data[132 + (pcapng->big_endian ? 13 : 12)] = 2;
		*expected = "the section at byte 132 is of version 2.0, only 1.0 is read";
		break;
	case 7:
		put_other(pcapng, 0x0a0d0d0a, 12);
		patch(pcapng, 8, 0x1a2b3c4d, 4);
		*expected = "too short";
		break;
	case 8:
		put_other(pcapng, 0x0a0d0d0a, 0); /* its magic would be its end */
		patch(pcapng, 8, 0x1a2b3c4d, 4);
		*expected = "impossible length of 12 bytes";
		break;
	default:
		*expected = NULL;
		break;
	}
}

static void put_damaged_content(struct pcapng *pcapng, int which, const char **expected)
{
	const uint8_t zeros[8] = { 0 };

	switch (which) {
	case 0:
		put_other(pcapng, BLOCK_INTERFACE, 4);
		*expected = "the block at byte 132 is too short";
		break;
	case 1:
		put_other(pcapng, BLOCK_ENHANCED_PACKET, 16);
		*expected = "too short";
		break;
	case 2:
		put_other(pcapng, BLOCK_OBSOLETE_PACKET, 16);
		*expected = "too short";
		break;
	case 3:
		put_other(pcapng, BLOCK_SIMPLE_PACKET, 0);
		*expected = "too short";
		break;
	case 4:
		put_obsolete(pcapng, 0, 0, "four", 4, 4);
		patch(pcapng, 20, 5, 4);
		*expected = "the packet at byte 132 has 5 bytes, more than its block has room for";
		break;
	case 5:
		put_enhanced(pcapng, 0, 0, "", 0, 0);
		patch(pcapng, 20, UINT32_MAX, 4);
		*expected = "has 4294967295 bytes, more than its block has room for";
		break;
	case 6:
		put_simple(pcapng, "four", 4, 5);
		*expected = "has 5 bytes, more than its block has room for";
		break;
	case 7:
		put_enhanced(pcapng, 1, 0, "", 0, 0);
		*expected = "of interface 1, which is not described before it";
		break;
	case 8:
		put_clock_interface(pcapng, 6, 0);
		patch(pcapng, 18, 1000, 2); /* the comment's length */
		*expected = "the interface at byte 132 has an option 1 of impossible length";
		break;
	case 9:
		begin_block(pcapng, BLOCK_INTERFACE);
		put(pcapng->bytes, zeros, 8);
		put_option(pcapng, OPTION_TSRESOL, zeros, 2);
		end_block(pcapng);
		*expected = "has an option 9 of impossible length";
		break;
	case 10:
		begin_block(pcapng, BLOCK_INTERFACE);
		put(pcapng->bytes, zeros, 8);
		put_option(pcapng, OPTION_TSOFFSET, zeros, 4);
		end_block(pcapng);
		*expected = "has an option 14 of impossible length";
		break;
	default:
		*expected = NULL;
		break;
	}
}

/* A frame, a damaged block, a frame: the first comes out, and the message says what and where. */
static void assert_damage_is_named(void **state, void (*put_block)(struct pcapng *, int, const char **))
{
	for (int i = 0;; i++) {
		const char *expected;
		struct pcapng pcapng = pcapng_new(i % 2 == 0);
		put_interface(&pcapng, LINK_ETHERNET, 0);
		put_simple(&pcapng, "this is a frame; it fills up to byte 132, where the bad block is....", 68, 68);
		assert_int_equal(pcapng.bytes->n, 132);
		put_block(&pcapng, i, &expected);
		if (expected == NULL) {
			assert_true(i > 0);
			free(pcapng.bytes);
			break;
		}
		put_simple(&pcapng, "frame", 5, 5);
		struct capture *capture = open_bytes(state, &pcapng, NULL);
		assert_int_equal(next_frame(capture).captured_bytes, 68);
		assert_cut(capture, expected);
	}
}

static void test_damaged_blocks(void **state)
{
	assert_damage_is_named(state, put_damaged);
	assert_damage_is_named(state, put_damaged_content);
}

static void test_damaged_beginning(void **state)
{
	struct pcapng pcapng = pcapng_new(false);

	assert_refused(state, &pcapng, NULL, "its header is cut off or damaged: no interface is described in it");
	pcapng = pcapng_new(false);
	put_enhanced(&pcapng, 0, 0, "data", 4, 4);
	put_interface(&pcapng, LINK_ETHERNET, 0);
	assert_refused(state, &pcapng, NULL, "the packet at byte 28 is of interface 0, which is not described");
	pcapng = pcapng_new(false);
	put_simple(&pcapng, "data", 4, 4);
	assert_refused(state, &pcapng, NULL, "the packet at byte 28 is of interface 0, which is not described");
	pcapng = pcapng_new(false);
	pcapng.bytes->data[11] ^= 1;
	put_interface(&pcapng, LINK_ETHERNET, 0);
	assert_refused(state, &pcapng, NULL, "the section at byte 0 has no byte-order magic");
}

#define with_folder(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_folder(test_cut_at_every_byte),
		with_folder(test_every_flipped_byte_is_survived),
		with_folder(test_damaged_blocks),
		with_folder(test_damaged_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
