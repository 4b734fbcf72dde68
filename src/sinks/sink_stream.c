/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Standard output and files. How to write without making the loop wait depends on what is behind the descriptor:
 *
 * - A regular file (or a device that cannot be polled, like /dev/null) is written directly, in large pieces: when the
 *   buffer is nearly full, and a short while after a line came. The kernel takes such writes into its cache.
 * - A pipe, socket or terminal is written when the loop says that it can be. Its reader may be slow for
 *   ever; lines wait in a bounded buffer meanwhile.
 *
 * O_NONBLOCK belongs to the open file description, which standard output shares with other processes (the shell, the
 * other end of a pipeline's stderr); to set it would break them. So a pipe is opened anew by its name in /proc, as a
 * description of our own. Where that cannot be (another user made the pipe), standard output is written in pieces that
 * cannot block: a pipe that poll(2) calls writable has room for PIPE_BUF bytes (pipe(7)). A socket is sent to with
 * MSG_DONTWAIT. A terminal may block for as long as its user stops it, which is what he asked for.
 * What we opened ourselves (a FIFO under file:) is simply non-blocking.
 */
#include "sink_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tcpwitness/base/units.h"

enum {
	/* How much one callback may write before the loop looks at other work. */
	TURN_BYTES = 256 * 1024,
	FILE_MODE = 0640, /* events name hosts: not for everybody's eyes */
};

struct stream_sink {
	struct sink sink;
	int fd;
	char *path; /* null for standard output */
	bool polled;
	bool is_socket;
	bool is_shared;             /* its description blocks, and is not ours to change */
	bool armed;                 /* event is in the loop */
	struct event *event;        /* polled: writable; direct: time to flush */
	struct timeval flush_after; /* direct */
};

static void fail_with_errno(struct stream_sink *stream, int error_number)
{
	switch (error_number) {
	case EPIPE:
	case ECONNRESET:
		sink_fail(&stream->sink, "the reader closed it before the end");
		break;
	case ENOSPC:
	case EDQUOT:
		sink_fail(&stream->sink, "%s (free some space, then start again)", strerror(error_number));
		break;
	default:
		sink_fail(&stream->sink, "cannot write: %s", strerror(error_number));
	}
}

static bool is_writable(int fd, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };

	/* Also true for an error on the descriptor: the write that follows then tells which. */
	return poll(&poll_fd, 1, timeout_ms) > 0;
}

/* Writes once. Returns bytes accepted, 0 when the descriptor takes none now, or -1 with errno. */
static ssize_t write_once(struct stream_sink *stream, size_t limit_bytes)
{
	struct iovec pieces[2];
	ssize_t n;

	if (stream->is_shared && limit_bytes > PIPE_BUF)
		limit_bytes = PIPE_BUF;
	int n_pieces = line_buffer_unsent(&stream->sink.buffer, limit_bytes, pieces);
	if (stream->is_shared && !is_writable(stream->fd, 0))
		return 0;
	do {
		if (stream->is_socket) {
			struct msghdr message = { .msg_iov = pieces, .msg_iovlen = (size_t)n_pieces };

			n = sendmsg(stream->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		} else {
			n = writev(stream->fd, pieces, n_pieces);
		}
	} while (n < 0 && errno == EINTR);
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : n;
}

/* Writes what can be written without waiting, limit_bytes at most. Returns false when the sink failed. */
static bool write_some(struct stream_sink *stream, size_t limit_bytes)
{
	size_t done = 0;

	while (done < limit_bytes && line_buffer_has_unsent(&stream->sink.buffer)) {
		ssize_t n = write_once(stream, limit_bytes - done);

		if (n < 0) {
			fail_with_errno(stream, errno);
			return false;
		}
		if (n == 0)
			break;
		done += (size_t)n;
		sink_accepted(&stream->sink, (size_t)n);
	}
	return true;
}

static void disarm(struct stream_sink *stream)
{
	event_del(stream->event);
	stream->armed = false;
}

static void on_event(evutil_socket_t fd, short what, void *context)
{
	struct stream_sink *stream = context;

	(void)fd;
	(void)what;
	stream->armed = stream->polled; /* a timer is over, interest in writing stays */
	if (!write_some(stream, stream->polled ? TURN_BYTES : SIZE_MAX) ||
	    !line_buffer_has_unsent(&stream->sink.buffer))
		disarm(stream);
	sink_notify(&stream->sink);
}

static void stream_written(struct sink *sink)
{
	struct stream_sink *stream = (struct stream_sink *)sink;

	/* A burst fills the buffer before the loop comes to this descriptor. */
	if (line_buffer_free_bytes(&sink->buffer) < SINK_LINE_BYTES)
		write_some(stream, stream->polled ? TURN_BYTES : SIZE_MAX);
	if (stream->armed || !line_buffer_has_unsent(&sink->buffer))
		return;
	stream->armed = true;
	event_add(stream->event, stream->polled ? NULL : &stream->flush_after);
}

static void stream_drain(struct sink *sink, uint64_t deadline_ns)
{
	struct stream_sink *stream = (struct stream_sink *)sink;

	while (write_some(stream, SIZE_MAX) && line_buffer_has_unsent(&sink->buffer)) {
		int wait_ms = sink_ms_until(deadline_ns);

		if (wait_ms == 0)
			return;
		is_writable(stream->fd, wait_ms);
	}
}

static void stream_destroy(struct sink *sink)
{
	struct stream_sink *stream = (struct stream_sink *)sink;

	if (stream->event != NULL)
		event_free(stream->event);
	close(stream->fd);
	free(stream->path);
}

/*
 * A file that ends inside a line (the machine stopped while it was written) gets a newline, so that the cut line
 * spoils no other. Failing is no harm: the file may be one that we may write but not read.
 */
static void end_cut_line(int fd, const char *path)
{
	int read_fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	char last;

	if (read_fd < 0)
		return;
	if (fstat(read_fd, &status) == 0 && status.st_size > 0 && pread(read_fd, &last, 1, status.st_size - 1) == 1 &&
	    last != '\n' && write(fd, "\n", 1) != 1)
		errno = 0; /* the first line's own write will tell */
	close(read_fd);
}

/* Returns a descriptor, or -1 with *error filled. O_NONBLOCK matters to FIFOs only. */
static int open_path(const char *path, struct error *error)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, FILE_MODE);
	struct stat status;

	if (fd < 0 && errno == ENXIO)
		return error_set(error, "output file:%s: nobody reads this FIFO (start its reader first)", path);
	if (fd < 0)
		return error_set(error,
				 "output file:%s: cannot open for writing: %s (choose a file in a folder that "
				 "exists and is writable)",
				 path, strerror(errno));
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		end_cut_line(fd, path);
	return fd;
}

/* A pipe as an open file description of our own, non-blocking, or -1. */
static int open_pipe_anew(int fd)
{
	struct stat status;
	char name[32];

	if (fstat(fd, &status) != 0 || !S_ISFIFO(status.st_mode))
		return -1;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return open(name, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

/* Takes over fd and path, also on failure. */
static struct sink *make_stream(const struct sink_request *request, int fd, char *path, bool is_shared,
				struct error *error)
{
	const struct sink_settings *settings = request->settings;
	struct stream_sink *stream = calloc(1, sizeof(*stream));
	struct stat status;

	if (stream == NULL || fstat(fd, &status) != 0)
		goto no_memory;
	stream->fd = fd;
	stream->path = path;
	stream->is_socket = S_ISSOCK(status.st_mode);
	stream->polled = stream->is_socket || S_ISFIFO(status.st_mode) || isatty(fd);
	stream->is_shared = stream->polled && !stream->is_socket && is_shared;
	stream->flush_after.tv_usec = (suseconds_t)settings->flush_after_ms * 1000;
	stream->event = stream->polled ? event_new(request->base, fd, EV_WRITE | EV_PERSIST, on_event, stream)
				       : event_new(request->base, -1, 0, on_event, stream);
	if (stream->event == NULL ||
	    !line_buffer_init(&stream->sink.buffer,
			      stream->polled ? settings->polled_buffer_bytes : settings->direct_buffer_bytes))
		goto no_memory;
	return &stream->sink;

no_memory:
	error_set(error, "output %s: not enough memory", request->text);
	if (stream != NULL && stream->event != NULL)
		event_free(stream->event);
	free(stream);
	free(path);
	close(fd);
	return NULL;
}

static struct sink *stdout_open(const struct sink_request *request, struct error *error)
{
	int own_fd;
	int fd;

	if (request->place[0] != '\0') {
		error_set(error, "output %s: stdout takes no path (write - or file:PATH)", request->text);
		return NULL;
	}
	/* A descriptor of its own: the loop may watch it, and closing it leaves standard output alone. */
	fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (fd < 0) {
		error_set(error, "output %s: standard output is not open: %s (redirect it to a file or a program)",
			  request->text, strerror(errno));
		return NULL;
	}
	own_fd = request->settings->pipes_stay_shared ? -1 : open_pipe_anew(fd);
	if (own_fd < 0)
		return make_stream(request, fd, NULL, true, error);
	close(fd);
	return make_stream(request, own_fd, NULL, false, error);
}

static struct sink *file_open(const struct sink_request *request, struct error *error)
{
	char *path;
	int fd;

	if (request->place[0] == '\0') {
		error_set(error, "output %s: the path is missing (write file:PATH)", request->text);
		return NULL;
	}
	fd = open_path(request->place, error);
	if (fd < 0)
		return NULL;
	path = strdup(request->place);
	if (path == NULL) {
		error_set(error, "output %s: not enough memory", request->text);
		close(fd);
		return NULL;
	}
	return make_stream(request, fd, path, false, error);
}

/* The new file is opened before the old one is closed: if that fails, the old one stays in use. */
static int file_reopen(struct sink *sink, struct error *error)
{
	struct stream_sink *stream = (struct stream_sink *)sink;
	int fd;

	if (stream->polled) /* a FIFO is not rotated */
		return 0;
	if (!write_some(stream, SIZE_MAX))
		return error_set(error, "%s", sink->failure.text);
	fd = open_path(stream->path, error);
	if (fd < 0)
		return -1;
	close(stream->fd);
	stream->fd = fd;
	return 0;
}

const struct sink_type sink_type_stdout = {
	.scheme = "stdout",
	.open = stdout_open,
	.written = stream_written,
	.drain = stream_drain,
	.destroy = stream_destroy,
};

const struct sink_type sink_type_file = {
	.scheme = "file",
	.open = file_open,
	.written = stream_written,
	.drain = stream_drain,
	.reopen = file_reopen,
	.destroy = stream_destroy,
};
