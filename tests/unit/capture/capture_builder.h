/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Captures written byte by byte, so that the tests share no code with the reader: pcap in all its variants
 * (draft-ietf-opsawg-pcap), the few blocks of pcapng that matter (draft-ietf-opsawg-pcapng), and gzip and zstd around
 * them. Include cmocka.h before.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum {
	LINK_ETHERNET = 1,
	LINK_RAW_IP = 101,
	FRAME_BYTES = 54,
	PCAP_HEADER_BYTES = 24,
	PCAP_RECORD_HEADER_BYTES = 16,
};

struct bytes {
	uint8_t data[1 << 20];
	size_t n;
};

static inline struct bytes *bytes_new(void)
{
	struct bytes *bytes = malloc(sizeof(*bytes));

	assert_non_null(bytes);
	bytes->n = 0;
	return bytes;
}

static inline void put(struct bytes *bytes, const void *data, size_t n)
{
	assert_true(bytes->n + n <= sizeof(bytes->data));
	memcpy(bytes->data + bytes->n, data, n);
	bytes->n += n;
}

static inline void put_int(struct bytes *bytes, bool big_endian, uint32_t value, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t byte = (uint8_t)(value >> (8 * (big_endian ? n - 1 - i : i)));
		put(bytes, &byte, 1);
	}
}

/* How a file is written. */
struct style {
	bool big_endian;
	bool nanoseconds;
};

static inline void put_pcap_header(struct bytes *bytes, struct style style, uint32_t link_type)
{
	put_int(bytes, style.big_endian, style.nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4, 4);
	put_int(bytes, style.big_endian, 2, 2); /* version 2.4 */
	put_int(bytes, style.big_endian, 4, 2);
	put_int(bytes, style.big_endian, 0, 4); /* time zone, unused */
	put_int(bytes, style.big_endian, 0, 4); /* accuracy, unused */
	put_int(bytes, style.big_endian, 262144, 4);
	put_int(bytes, style.big_endian, link_type, 4);
}

static inline void put_pcap_record_header(struct bytes *bytes, struct style style, uint32_t seconds, uint32_t fraction,
					  uint32_t captured_bytes, uint32_t wire_bytes)
{
	put_int(bytes, style.big_endian, seconds, 4);
	put_int(bytes, style.big_endian, fraction, 4);
	put_int(bytes, style.big_endian, captured_bytes, 4);
	put_int(bytes, style.big_endian, wire_bytes, 4);
}

/*
 * IPv4 TCP over Ethernet from 10.0.0.1:1024 to 10.0.0.2:port, all else zero: enough for BPF and for telling frames
 * apart.
 */
static inline void put_frame(struct bytes *bytes, uint16_t port)
{
	uint8_t frame[FRAME_BYTES] = {
		[12] = 0x08, [13] = 0x00, /* IPv4 */
		[14] = 0x45, [17] = 40,   /* no options, 40 bytes in all */
		[22] = 64,   [23] = 6,    /* TTL, TCP */
		[26] = 10,   [29] = 1,    [30] = 10, [33] = 2, [34] = 0x04, [35] = 0x00, [46] = 0x50,
	};

	frame[36] = (uint8_t)(port >> 8);
	frame[37] = (uint8_t)port;
	put(bytes, frame, sizeof(frame));
}

static inline void put_pcap_frame(struct bytes *bytes, struct style style, uint32_t seconds, uint32_t fraction,
				  uint16_t port)
{
	put_pcap_record_header(bytes, style, seconds, fraction, FRAME_BYTES, FRAME_BYTES);
	put_frame(bytes, port);
}

static inline void put_pcapng_section(struct bytes *bytes, bool big_endian)
{
	put_int(bytes, big_endian, 0x0a0d0d0a, 4);
	put_int(bytes, big_endian, 28, 4);
	put_int(bytes, big_endian, 0x1a2b3c4d, 4);
	put_int(bytes, big_endian, 1, 2); /* version 1.0 */
	put_int(bytes, big_endian, 0, 2);
	put_int(bytes, big_endian, UINT32_MAX, 4); /* section length: unknown */
	put_int(bytes, big_endian, UINT32_MAX, 4);
	put_int(bytes, big_endian, 28, 4);
}

/* tsresol: a power of ten, as if_tsresol has it; 6 is the default of the format. */
static inline void put_pcapng_interface(struct bytes *bytes, bool big_endian, uint16_t link_type, uint8_t tsresol)
{
	const uint8_t padding[3] = { 0 };

	put_int(bytes, big_endian, 1, 4);
	put_int(bytes, big_endian, 32, 4);
	put_int(bytes, big_endian, link_type, 2);
	put_int(bytes, big_endian, 0, 2);
	put_int(bytes, big_endian, 262144, 4);
	put_int(bytes, big_endian, 9, 2); /* option if_tsresol, 1 byte */
	put_int(bytes, big_endian, 1, 2);
	put(bytes, &tsresol, 1);
	put(bytes, padding, sizeof(padding));
	put_int(bytes, big_endian, 0, 4); /* end of options */
	put_int(bytes, big_endian, 32, 4);
}

/* An enhanced packet block of interface 0; ticks in the interface's resolution. */
static inline void put_pcapng_frame(struct bytes *bytes, bool big_endian, uint64_t ticks, uint16_t port)
{
	const uint32_t block_bytes = 32 + FRAME_BYTES + 2;
	const uint8_t padding[2] = { 0 };

	put_int(bytes, big_endian, 6, 4);
	put_int(bytes, big_endian, block_bytes, 4);
	put_int(bytes, big_endian, 0, 4);
	put_int(bytes, big_endian, (uint32_t)(ticks >> 32), 4);
	put_int(bytes, big_endian, (uint32_t)ticks, 4);
	put_int(bytes, big_endian, FRAME_BYTES, 4);
	put_int(bytes, big_endian, FRAME_BYTES, 4);
	put_frame(bytes, port);
	put(bytes, padding, sizeof(padding));
	put_int(bytes, big_endian, block_bytes, 4);
}

/* n plain frames to ports 1 .. n, one second apart from second 1000 on, after the header. */
static inline struct bytes *pcap_with_frames(uint16_t n)
{
	const struct style style = { 0 };
	struct bytes *bytes = bytes_new();

	put_pcap_header(bytes, style, LINK_ETHERNET);
	for (uint16_t i = 1; i <= n; i++)
		put_pcap_frame(bytes, style, 999U + i, 0, i);
	return bytes;
}

/* Appends one gzip member with the content. */
static inline void put_gzip(struct bytes *bytes, const uint8_t *content, size_t n)
{
	z_stream stream = { 0 };

	assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	stream.next_in = (Bytef *)(uintptr_t)content;
	stream.avail_in = (uInt)n;
	stream.next_out = bytes->data + bytes->n;
	stream.avail_out = (uInt)(sizeof(bytes->data) - bytes->n);
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	bytes->n += stream.total_out;
	deflateEnd(&stream);
}

/* Appends one zstd frame with the content and a checksum. */
static inline void put_zstd(struct bytes *bytes, const uint8_t *content, size_t n)
{
	ZSTD_CCtx *context = ZSTD_createCCtx();

	ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
	size_t n_packed = ZSTD_compress2(context, bytes->data + bytes->n, sizeof(bytes->data) - bytes->n, content, n);
	assert_false(ZSTD_isError(n_packed));
	bytes->n += n_packed;
	ZSTD_freeCCtx(context);
}

/* A folder for one test's files. */
struct folder {
	char path[64];
	char file[16][96]; /* the files made in it */
	size_t n_files;
};

static inline void folder_create(struct folder *folder)
{
	*folder = (struct folder){ .path = "/tmp/tcpwitness-test-XXXXXX" };
	assert_non_null(mkdtemp(folder->path));
}

/* A name in the folder for a file that does not exist yet; removed with the folder. */
static inline const char *folder_name(struct folder *folder, const char *name)
{
	char *path = folder->file[folder->n_files++];

	assert_true(folder->n_files <= sizeof(folder->file) / sizeof(folder->file[0]));
	const size_t folder_bytes = strlen(folder->path);
	memcpy(path, folder->path, folder_bytes);
	snprintf(path + folder_bytes, sizeof(folder->file[0]) - folder_bytes, "/%s", name);
	return path;
}

static inline void write_file(const char *path, const void *data, size_t n)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, n, file), n);
	assert_int_equal(fclose(file), 0);
}

/* Writes the bytes under the name, frees them, and returns the path. */
static inline const char *folder_add(struct folder *folder, const char *name, struct bytes *bytes)
{
	const char *path = folder_name(folder, name);

	write_file(path, bytes->data, bytes->n);
	free(bytes);
	return path;
}

static inline void folder_remove(struct folder *folder)
{
	for (size_t i = 0; i < folder->n_files; i++)
		unlink(folder->file[i]);
	rmdir(folder->path);
}

/* cmocka fixture: a folder as the test's state. */
static inline int folder_setup(void **state)
{
	struct folder *folder = malloc(sizeof(*folder));

	folder_create(folder);
	*state = folder;
	return 0;
}

static inline int folder_teardown(void **state)
{
	folder_remove(*state);
	free(*state);
	return 0;
}
