/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Capture files as bytes: opening with the errors that people make, telling the compression by peeking at the first
 * bytes (without seeking, so that pipes work), unpacking, counting for the progress bar, and waking from a wait when
 * the program is told to stop. It knows nothing of packets.
 */
#include "file_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "decompress.h"

enum {
	STORED_BUFFER_BYTES = 64 * 1024,
	/*
	 * Large enough that system calls and locks vanish beside the work on the frames, small enough for a
	 * second-level cache.
	 */
	STDIO_BUFFER_BYTES = 128 * 1024,
};

struct file_stream {
	const struct break_request *request; /* borrowed */
	int fd;
	bool must_poll; /* not a regular file: a read may wait */
	bool opening;   /* no one can call capture_break yet: any signal that has a handler ends the wait */
	struct decompressor *decompressor;
	struct byte_span stored; /* read and not yet passed on, in stored_buffer */
	bool at_end;
	char damage[160];                     /* empty = none */
	uint8_t head[FILE_STREAM_HEAD_BYTES]; /* the first unpacked bytes; n_head of them, n_head_given given out */
	size_t n_head;
	size_t n_head_given;
	_Atomic uint64_t bytes_read;
	uint64_t bytes_total;
	uint8_t stored_buffer[STORED_BUFFER_BYTES];
	char stdio_buffer[STDIO_BUFFER_BYTES];
};

const char *file_stream_display_name(const char *path)
{
	return strcmp(path, "-") == 0 ? "standard input" : path;
}

/* Waits until a pipe has bytes or its end. Returns 0, or -1 with errno: ECANCELED after a break. */
static int wait_readable(const struct file_stream *stream)
{
	struct pollfd fds[] = {
		{ .fd = stream->fd, .events = POLLIN },
		{ .fd = stream->request->event_fd, .events = POLLIN },
	};

	if (stream->must_poll) {
		while (poll(fds, 2, -1) < 0) {
			/* A handler ran. One that stops the run made the break request, which poll sees now. */
			if (errno != EINTR || stream->opening)
				return -1;
		}
	}
	if (!break_requested(stream->request))
		return 0;
	errno = ECANCELED;
	return -1;
}

/* read(2) of stored bytes: the number, 0 at the end, or -1 with errno. */
static ssize_t read_stored(struct file_stream *stream, void *buffer, size_t n_bytes)
{
	ssize_t n;

	do {
		if (wait_readable(stream) < 0)
			return -1;
		n = read(stream->fd, buffer, n_bytes);
	} while (n < 0 && ((errno == EINTR && !stream->opening) || errno == EAGAIN));
	return n;
}

static void count_consumed(struct file_stream *stream, size_t n_bytes)
{
	uint64_t so_far = atomic_load_explicit(&stream->bytes_read, memory_order_relaxed);

	atomic_store_explicit(&stream->bytes_read, so_far + n_bytes, memory_order_relaxed);
}

static ssize_t read_plain(struct file_stream *stream, uint8_t *out, size_t out_bytes)
{
	size_t n_peeked = stream->stored.n_bytes < out_bytes ? stream->stored.n_bytes : out_bytes;
	ssize_t n;

	if (n_peeked > 0) {
		memcpy(out, stream->stored.data, n_peeked);
		stream->stored.data += n_peeked;
		stream->stored.n_bytes -= n_peeked;
		n = (ssize_t)n_peeked;
	} else {
		n = read_stored(stream, out, out_bytes);
	}
	if (n > 0)
		count_consumed(stream, (size_t)n);
	return n;
}

static ssize_t read_compressed(struct file_stream *stream, uint8_t *out, size_t out_bytes)
{
	while (!stream->at_end) {
		size_t before = stream->stored.n_bytes;
		ssize_t n = decompressor_run(stream->decompressor, &stream->stored, out, out_bytes);
		count_consumed(stream, before - stream->stored.n_bytes);
		if (n > 0)
			return n;
		if (n < 0) {
			snprintf(stream->damage, sizeof(stream->damage), "the compressed data are corrupt (%s)",
				 decompressor_reason(stream->decompressor));
			break;
		}
		n = read_stored(stream, stream->stored_buffer, sizeof(stream->stored_buffer));
		if (n < 0)
			return -1;
		if (n == 0 && !decompressor_may_end(stream->decompressor))
			snprintf(stream->damage, sizeof(stream->damage), "the compressed data end in the middle");
		if (n == 0)
			break;
		stream->stored = (struct byte_span){ .data = stream->stored_buffer, .n_bytes = (size_t)n };
	}
	stream->at_end = true;
	return 0;
}

static ssize_t read_unpacked(struct file_stream *stream, uint8_t *out, size_t out_bytes)
{
	if (stream->decompressor != NULL)
		return read_compressed(stream, out, out_bytes);
	return read_plain(stream, out, out_bytes);
}

static ssize_t stream_read(void *context, uint8_t *out, size_t out_bytes)
{
	struct file_stream *stream = context;
	size_t n_left = stream->n_head - stream->n_head_given;

	if (n_left == 0)
		return read_unpacked(stream, out, out_bytes);
	if (n_left > out_bytes)
		n_left = out_bytes;
	memcpy(out, stream->head + stream->n_head_given, n_left);
	stream->n_head_given += n_left;
	return (ssize_t)n_left;
}

/* Returns the descriptor, or -1 with *error filled. */
static int open_path(const char *path, struct error *error)
{
	const char *hint = "";

	if (strcmp(path, "-") == 0) {
		if (isatty(STDIN_FILENO))
			return error_set(error, "standard input is a terminal: send a capture to it, or name a file");
		return STDIN_FILENO;
	}
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd >= 0)
		return fd;
	if (errno == ENOENT)
		hint = "; check the path";
	else if (errno == EACCES)
		hint = "; this user must be allowed to read it";
	else if (errno == EMFILE)
		hint = "; raise the limit (ulimit -n) or join captures beforehand (mergecap)";
	return error_set(error, "%s: cannot be opened: %s%s", path, strerror(errno), hint);
}

/* What kind of file the descriptor is. Returns 0, or -1 with *error filled. */
static int inspect(struct file_stream *stream, const char *name, struct error *error)
{
	struct stat status;

	if (fstat(stream->fd, &status) < 0)
		return error_set(error, "%s: cannot be read: %s", name, strerror(errno));
	if (S_ISDIR(status.st_mode))
		return error_set(error, "%s: is a directory; name the capture files in it", name);
	stream->must_poll = !S_ISREG(status.st_mode);
	if (S_ISREG(status.st_mode)) {
		stream->bytes_total = (uint64_t)status.st_size;
		/* Only advice: a file system that does not take it loses nothing. */
		(void)posix_fadvise(stream->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	}
	return 0;
}

/* Reads until the compression can be told. Returns 0, or -1 with *error filled. */
static int peek(struct file_stream *stream, const char *name, struct error *error)
{
	size_t n_bytes = 0;

	while (n_bytes < COMPRESSION_MAGIC_BYTES) {
		ssize_t n = read_stored(stream, stream->stored_buffer + n_bytes, STORED_BUFFER_BYTES - n_bytes);
		if (n < 0)
			return error_set(error, "%s: cannot be read: %s", name, strerror(errno));
		if (n == 0)
			break;
		n_bytes += (size_t)n;
	}
	if (n_bytes == 0)
		return error_set(error, "%s: is empty; a capture has at least a header", name);
	stream->stored = (struct byte_span){ .data = stream->stored_buffer, .n_bytes = n_bytes };
	return 0;
}

/* Puts the decompressor in place if one is needed. Returns 0, or -1 with *error filled. */
static int detect_compression(struct file_stream *stream, const char *name, struct error *error)
{
	const char *unsupported = compression_unsupported_name(stream->stored.data, stream->stored.n_bytes);
	enum compression kind = compression_detect(stream->stored.data, stream->stored.n_bytes);

	if (unsupported != NULL)
		return error_set(error, "%s: is compressed with %s, which is not read; unpack it first", name,
				 unsupported);
	if (kind == COMPRESSION_NONE)
		return 0;
	stream->decompressor = decompressor_create(kind);
	if (stream->decompressor == NULL)
		return error_set(error, "%s: not enough memory to unpack it", name);
	return 0;
}

/* Reads the first unpacked bytes. Returns 0, or -1 with *error filled; too few of them are no error here. */
static int read_head(struct file_stream *stream, const char *name, struct error *error)
{
	while (stream->n_head < FILE_STREAM_HEAD_BYTES) {
		ssize_t n =
			read_unpacked(stream, stream->head + stream->n_head, FILE_STREAM_HEAD_BYTES - stream->n_head);
		if (n < 0)
			return error_set(error, "%s: cannot be read: %s", name, strerror(errno));
		if (n == 0)
			break;
		stream->n_head += (size_t)n;
	}
	return 0;
}

struct file_stream *file_stream_open(const char *path, const struct break_request *request, struct error *error)
{
	const char *name = file_stream_display_name(path);
	struct file_stream *stream = calloc(1, sizeof(*stream));

	if (stream == NULL) {
		error_set(error, "%s: not enough memory to read it", name);
		return NULL;
	}
	stream->request = request;
	stream->opening = true;
	stream->fd = open_path(path, error);
	if (stream->fd < 0 || inspect(stream, name, error) < 0 || peek(stream, name, error) < 0 ||
	    detect_compression(stream, name, error) < 0 || read_head(stream, name, error) < 0) {
		file_stream_close(stream);
		return NULL;
	}
	return stream;
}

void file_stream_opened(struct file_stream *stream)
{
	stream->opening = false;
}

struct byte_source file_stream_source(struct file_stream *stream)
{
	return (struct byte_source){ .read = stream_read, .context = stream };
}

static ssize_t read_cookie(void *cookie, char *out, size_t out_bytes)
{
	return stream_read(cookie, (uint8_t *)out, out_bytes);
}

FILE *file_stream_fopen(struct file_stream *stream)
{
	FILE *file = fopencookie(stream, "r", (cookie_io_functions_t){ .read = read_cookie });

	if (file == NULL)
		return NULL;
	setvbuf(file, stream->stdio_buffer, _IOFBF, sizeof(stream->stdio_buffer));
	/* One thread reads it, twice for each packet: stdio's lock would be a measurable part of that. */
	__fsetlocking(file, FSETLOCKING_BYCALLER);
	return file;
}

void file_stream_close(struct file_stream *stream)
{
	if (stream == NULL)
		return;
	decompressor_destroy(stream->decompressor);
	if (stream->fd > STDIN_FILENO)
		close(stream->fd);
	free(stream);
}

size_t file_stream_head(const struct file_stream *stream, uint8_t head[static FILE_STREAM_HEAD_BYTES])
{
	memcpy(head, stream->head, stream->n_head);
	return stream->n_head;
}

const char *file_stream_damage(const struct file_stream *stream)
{
	return stream->damage[0] != '\0' ? stream->damage : NULL;
}

uint64_t file_stream_bytes_read(const struct file_stream *stream)
{
	return atomic_load_explicit(&stream->bytes_read, memory_order_relaxed);
}

uint64_t file_stream_bytes_total(const struct file_stream *stream)
{
	return stream->bytes_total;
}
