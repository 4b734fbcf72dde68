/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compressed captures: which compression a file's first bytes show, and its unpacking by zlib (gzip, RFC 1952)
 * and libzstd (RFC 8878). Both formats may hold several independent parts one after the other; a reader sees
 * their contents joined.
 */
#include "decompress.h"

#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>
#include <zstd.h>

struct decompressor {
	enum compression kind;
	bool part_open; /* a member or frame has begun and not ended */
	bool failed;
	const char *reason;
	z_stream gzip;
	ZSTD_DStream *zstd;
	size_t zstd_first_bytes;  /* what libzstd asks for at the start of a frame */
	size_t zstd_wanted_bytes; /* and now: the rest of the header or block it is in */
};

struct magic {
	uint8_t bytes[COMPRESSION_MAGIC_BYTES];
	uint8_t mask_of_first; /* which bits of the first byte count */
	uint8_t n_bytes;
	enum compression kind;
	const char *unsupported; /* its name, when we only recognise it */
};

/* clang-format off */
static const struct magic magics[] = {
	{ { 0x1f, 0x8b },                         0xff, 2, COMPRESSION_GZIP, NULL },    /* RFC 1952, 2.3.1 */
	{ { 0x28, 0xb5, 0x2f, 0xfd },             0xff, 4, COMPRESSION_ZSTD, NULL },    /* RFC 8878, 3.1.1 */
	{ { 0x50, 0x2a, 0x4d, 0x18 },             0xf0, 4, COMPRESSION_ZSTD, NULL },    /* RFC 8878, 3.1.2: skippable */
	{ { 0xfd, '7', 'z', 'X', 'Z', 0x00 },     0xff, 6, COMPRESSION_NONE, "xz" },
	{ { 'B', 'Z', 'h' },                      0xff, 3, COMPRESSION_NONE, "bzip2" },
	{ { 0x04, 0x22, 0x4d, 0x18 },             0xff, 4, COMPRESSION_NONE, "lz4" },
	{ { 'P', 'K', 0x03, 0x04 },               0xff, 4, COMPRESSION_NONE, "zip" },
};
/* clang-format on */

static const struct magic *find_magic(const uint8_t *head, size_t n)
{
	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
		const struct magic *magic = &magics[i];
		if (n >= magic->n_bytes && (head[0] & magic->mask_of_first) == magic->bytes[0] &&
		    memcmp(head + 1, magic->bytes + 1, magic->n_bytes - 1U) == 0)
			return magic;
	}
	return NULL;
}

enum compression compression_detect(const uint8_t *head, size_t n)
{
	const struct magic *magic = find_magic(head, n);

	return magic == NULL ? COMPRESSION_NONE : magic->kind;
}

const char *compression_unsupported_name(const uint8_t *head, size_t n)
{
	const struct magic *magic = find_magic(head, n);

	return magic == NULL ? NULL : magic->unsupported;
}

struct decompressor *decompressor_create(enum compression kind)
{
	/* zlib's windowBits: 15 for the largest window, plus 16 for the gzip wrapper and no other. */
	enum { GZIP_WINDOW_BITS = 15 + 16 };
	struct decompressor *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->kind = kind;
	if (kind == COMPRESSION_GZIP) {
		if (inflateInit2(&d->gzip, GZIP_WINDOW_BITS) != Z_OK)
			goto fail;
	} else {
		d->zstd = ZSTD_createDStream();
		if (d->zstd == NULL)
			goto fail;
		d->zstd_first_bytes = ZSTD_initDStream(d->zstd);
		d->zstd_wanted_bytes = d->zstd_first_bytes;
	}
	return d;
fail:
	free(d);
	return NULL;
}

void decompressor_destroy(struct decompressor *d)
{
	if (d == NULL)
		return;
	if (d->kind == COMPRESSION_GZIP)
		inflateEnd(&d->gzip);
	ZSTD_freeDStream(d->zstd);
	free(d);
}

static void consume(struct byte_span *input, size_t n)
{
	input->data += n;
	input->n_bytes -= n;
}

static void fail(struct decompressor *d, const char *reason)
{
	d->failed = true;
	d->reason = reason != NULL ? reason : "corrupt data";
}

/* One step of inflate; returns the bytes written. */
static size_t inflate_step(struct decompressor *d, struct byte_span *input, uint8_t *out, size_t out_bytes)
{
	while (!d->part_open && input->n_bytes > 0 && input->data[0] == 0)
		consume(input, 1);
	if (input->n_bytes == 0 && !d->part_open)
		return 0;
	d->part_open = true;
	d->gzip.next_in = input->data;
	d->gzip.avail_in = (uInt)input->n_bytes;
	d->gzip.next_out = out;
	d->gzip.avail_out = (uInt)out_bytes;
	int status = inflate(&d->gzip, Z_NO_FLUSH);
	consume(input, input->n_bytes - d->gzip.avail_in);
	if (status == Z_STREAM_END) {
		d->part_open = false;
		inflateReset(&d->gzip);
	} else if (status != Z_OK && status != Z_BUF_ERROR) {
		fail(d, d->gzip.msg);
	}
	return out_bytes - d->gzip.avail_out;
}

/*
 * One step of libzstd. It never gets more than the block it asks for: when a later block of the same call is
 * corrupt, libzstd forgets what it wrote for the earlier ones.
 */
static size_t zstd_step(struct decompressor *d, struct byte_span *input, uint8_t *out, size_t out_bytes)
{
	size_t n_bytes = input->n_bytes < d->zstd_wanted_bytes ? input->n_bytes : d->zstd_wanted_bytes;
	ZSTD_inBuffer from = { .src = input->data, .size = n_bytes };
	ZSTD_outBuffer to = { .dst = out, .size = out_bytes };

	if (n_bytes == 0 && !d->part_open)
		return 0;
	size_t hint = ZSTD_decompressStream(d->zstd, &to, &from);
	if (ZSTD_isError(hint)) {
		fail(d, ZSTD_getErrorName(hint));
		return 0;
	}
	consume(input, from.pos);
	d->part_open = hint != 0;
	d->zstd_wanted_bytes = hint != 0 ? hint : d->zstd_first_bytes;
	return to.pos;
}

ssize_t decompressor_run(struct decompressor *d, struct byte_span *input, uint8_t *out, size_t out_bytes)
{
	while (!d->failed) {
		size_t before = input->n_bytes;
		bool was_open = d->part_open;
		size_t written = d->kind == COMPRESSION_GZIP ? inflate_step(d, input, out, out_bytes)
							     : zstd_step(d, input, out, out_bytes);
		if (written > 0)
			return (ssize_t)written;
		if (d->failed || input->n_bytes != before || was_open != d->part_open)
			continue;
		if (input->n_bytes == 0)
			return 0;
		fail(d, "the decompressor makes no progress");
	}
	return -1;
}

bool decompressor_may_end(const struct decompressor *d)
{
	return !d->part_open;
}

const char *decompressor_reason(const struct decompressor *d)
{
	return d->reason;
}
