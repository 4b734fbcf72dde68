/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stream socket of the unix domain, to which a reader on this machine listens. The reader may come late, be slow,
 * die and come back: the sink connects again, with growing pauses, and begins with the whole line that the last
 * reader got in part. What the kernel had accepted when a reader died is counted as written; whether that reader
 * read it, nobody can know.
 *
 * Live, a full buffer drops new lines whole. Lossless, it makes the feed wait, and a reader that stays away is an
 * error: after connect_timeout_ms when it never came, after return_timeout_ms when it went.
 */
#include "sink_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tcpwitness/base/clock.h"
#include "tcpwitness/base/log.h"
#include "tcpwitness/base/units.h"

enum {
	/* How much one callback may send before the loop looks at other work. */
	TURN_BYTES = 256 * 1024,
};

struct unix_sink {
	struct sink sink;
	struct event_base *base;
	struct sockaddr_un address;
	struct sink_settings settings;
	int fd;                 /* -1 = no reader */
	bool had_reader;        /* at least one so far */
	bool armed;             /* writable is in the loop */
	unsigned retry_ms;      /* next pause between attempts */
	uint64_t give_up_ns;    /* lossless, without a reader: when its absence is a failure */
	struct event *writable; /* of fd */
	struct event *readable; /* of fd: a reader sends nothing, but this is how its end is seen */
	struct event *retry;
	struct event *give_up;
};

enum send_result {
	SENT_ALL = 0,
	SENT_NOT_NOW = 1,
	SENT_NO_READER = 2,
};

static void add_timer(struct event *timer, unsigned after_ms)
{
	const struct timeval after = { .tv_sec = after_ms / 1000, .tv_usec = (suseconds_t)(after_ms % 1000 * 1000) };

	event_add(timer, &after);
}

static void forget_reader(struct unix_sink *unix_sink)
{
	if (unix_sink->writable != NULL)
		event_free(unix_sink->writable);
	if (unix_sink->readable != NULL)
		event_free(unix_sink->readable);
	unix_sink->writable = NULL;
	unix_sink->readable = NULL;
	unix_sink->armed = false;
	if (unix_sink->fd >= 0)
		close(unix_sink->fd);
	unix_sink->fd = -1;
	line_buffer_rewind(&unix_sink->sink.buffer);
}

static unsigned absence_limit_ms(const struct unix_sink *unix_sink)
{
	return unix_sink->had_reader ? unix_sink->settings.return_timeout_ms : unix_sink->settings.connect_timeout_ms;
}

static void lose_reader(struct unix_sink *unix_sink)
{
	forget_reader(unix_sink);
	unix_sink->give_up_ns = clock_monotonic_ns() + absence_limit_ms(unix_sink) * NS_PER_MS;
}

static void wait_for_reader(struct unix_sink *unix_sink)
{
	lose_reader(unix_sink);
	unix_sink->retry_ms = unix_sink->settings.retry_min_ms;
	add_timer(unix_sink->retry, unix_sink->retry_ms);
	if (unix_sink->sink.lossless)
		add_timer(unix_sink->give_up, absence_limit_ms(unix_sink));
}

static enum send_result send_some(struct unix_sink *unix_sink, size_t limit_bytes)
{
	size_t done = 0;

	while (line_buffer_has_unsent(&unix_sink->sink.buffer)) {
		struct iovec pieces[2];
		struct msghdr message = { .msg_iov = pieces };
		ssize_t n;

		if (done >= limit_bytes)
			return SENT_NOT_NOW;
		message.msg_iovlen = (size_t)line_buffer_unsent(&unix_sink->sink.buffer, limit_bytes - done, pieces);
		n = sendmsg(unix_sink->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? SENT_NOT_NOW : SENT_NO_READER;
		done += (size_t)n;
		sink_accepted(&unix_sink->sink, (size_t)n);
	}
	return SENT_ALL;
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
	struct unix_sink *unix_sink = context;

	(void)fd;
	(void)what;
	switch (send_some(unix_sink, TURN_BYTES)) {
	case SENT_ALL:
		event_del(unix_sink->writable);
		unix_sink->armed = false;
		break;
	case SENT_NOT_NOW:
		break;
	case SENT_NO_READER:
		wait_for_reader(unix_sink);
		break;
	}
	sink_notify(&unix_sink->sink);
}

/*
 * The end of what a reader sends is not the end of the reader: one that only reads may have shut that direction
 * down. Only a hang-up says that both directions are gone.
 */
static bool hung_up(int fd)
{
	struct pollfd poll_fd = { .fd = fd };

	return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLHUP | POLLERR)) != 0;
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct unix_sink *unix_sink = context;
	char ignored[512];
	ssize_t n = recv(fd, ignored, sizeof(ignored), MSG_DONTWAIT);

	(void)what;
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	if (n < 0 || hung_up(fd))
		wait_for_reader(unix_sink);
	else
		event_del(unix_sink->readable); /* the end of the reader will be seen by sending */
}

static void arm(struct unix_sink *unix_sink)
{
	if (unix_sink->fd < 0 || unix_sink->armed || !line_buffer_has_unsent(&unix_sink->sink.buffer))
		return;
	unix_sink->armed = true;
	event_add(unix_sink->writable, NULL);
}

/* One attempt. Returns 0 with a reader, or an errno. */
static int connect_once(struct unix_sink *unix_sink)
{
	const struct sockaddr *address = (const struct sockaddr *)&unix_sink->address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error_number;

	if (fd < 0)
		return errno;
	if (connect(fd, address, sizeof(unix_sink->address)) != 0) {
		error_number = errno;
		close(fd);
		return error_number;
	}
	unix_sink->fd = fd;
	unix_sink->writable = event_new(unix_sink->base, fd, EV_WRITE | EV_PERSIST, on_writable, unix_sink);
	unix_sink->readable = event_new(unix_sink->base, fd, EV_READ | EV_PERSIST, on_readable, unix_sink);
	if (unix_sink->writable == NULL || unix_sink->readable == NULL) {
		forget_reader(unix_sink);
		return ENOMEM;
	}
	event_add(unix_sink->readable, NULL);
	event_del(unix_sink->retry);
	event_del(unix_sink->give_up);
	if (unix_sink->had_reader)
		unix_sink->sink.stats.reconnects++;
	unix_sink->had_reader = true;
	arm(unix_sink);
	return 0;
}

static void on_retry(evutil_socket_t fd, short what, void *context)
{
	struct unix_sink *unix_sink = context;
	unsigned limit_ms = unix_sink->settings.retry_max_ms;

	(void)fd;
	(void)what;
	if (connect_once(unix_sink) == 0)
		return;
	unix_sink->retry_ms = unix_sink->retry_ms > limit_ms / 2 ? limit_ms : 2 * unix_sink->retry_ms;
	add_timer(unix_sink->retry, unix_sink->retry_ms);
}

static void give_up(struct unix_sink *unix_sink)
{
	double limit_s = absence_limit_ms(unix_sink) / 1000.0;

	event_del(unix_sink->retry);
	event_del(unix_sink->give_up);
	if (unix_sink->had_reader)
		sink_fail(&unix_sink->sink, "the reader went away and did not return within %g s (start it again)",
			  limit_s);
	else
		sink_fail(&unix_sink->sink, "nobody listened within %g s (start the reader first)", limit_s);
}

static void on_give_up(evutil_socket_t fd, short what, void *context)
{
	struct unix_sink *unix_sink = context;

	(void)fd;
	(void)what;
	give_up(unix_sink);
	sink_notify(&unix_sink->sink);
}

static void unix_written(struct sink *sink)
{
	struct unix_sink *unix_sink = (struct unix_sink *)sink;

	/* A burst fills the buffer before the loop comes to this socket: what its reader takes now is not dropped. */
	if (unix_sink->fd >= 0 && line_buffer_free_bytes(&sink->buffer) < SINK_LINE_BYTES &&
	    send_some(unix_sink, TURN_BYTES) == SENT_NO_READER)
		wait_for_reader(unix_sink);
	arm(unix_sink);
}

/*
 * Live, one attempt is enough. Lossless, a reader that is away gets the rest of its time to come, as it would in the
 * loop, but not more than until the deadline.
 */
static bool drain_has_reader(struct unix_sink *unix_sink, uint64_t deadline_ns)
{
	int pause_ms = (int)unix_sink->settings.retry_min_ms;

	while (unix_sink->fd < 0 && connect_once(unix_sink) != 0) {
		int left_ms = sink_ms_until(deadline_ns);

		if (left_ms == 0 || !unix_sink->sink.lossless)
			return false;
		if (sink_ms_until(unix_sink->give_up_ns) == 0) {
			give_up(unix_sink);
			return false;
		}
		poll(NULL, 0, left_ms < pause_ms ? left_ms : pause_ms);
	}
	return true;
}

static void unix_drain(struct sink *sink, uint64_t deadline_ns)
{
	struct unix_sink *unix_sink = (struct unix_sink *)sink;

	while (drain_has_reader(unix_sink, deadline_ns)) {
		enum send_result result = send_some(unix_sink, SIZE_MAX);
		struct pollfd poll_fd = { .fd = unix_sink->fd, .events = POLLOUT };
		int wait_ms = sink_ms_until(deadline_ns);

		if (result == SENT_ALL || wait_ms == 0)
			return;
		if (result == SENT_NO_READER)
			lose_reader(unix_sink);
		else
			poll(&poll_fd, 1, wait_ms);
	}
}

static void unix_destroy(struct sink *sink)
{
	struct unix_sink *unix_sink = (struct unix_sink *)sink;

	forget_reader(unix_sink);
	if (unix_sink->retry != NULL)
		event_free(unix_sink->retry);
	if (unix_sink->give_up != NULL)
		event_free(unix_sink->give_up);
}

/* Errors that waiting does not mend. */
static bool is_hopeless(int error_number)
{
	return error_number == EACCES || error_number == EPERM || error_number == EPROTOTYPE ||
	       error_number == ENOTDIR || error_number == ELOOP || error_number == ENOMEM;
}

static struct unix_sink *make_unix(const struct sink_request *request)
{
	struct unix_sink *unix_sink = calloc(1, sizeof(*unix_sink));

	if (unix_sink == NULL)
		return NULL;
	unix_sink->fd = -1;
	unix_sink->base = request->base;
	unix_sink->settings = *request->settings;
	unix_sink->sink.lossless = request->lossless;
	unix_sink->address.sun_family = AF_UNIX;
	memcpy(unix_sink->address.sun_path, request->place, strlen(request->place) + 1);
	unix_sink->retry = event_new(request->base, -1, 0, on_retry, unix_sink);
	unix_sink->give_up = event_new(request->base, -1, 0, on_give_up, unix_sink);
	if (unix_sink->retry != NULL && unix_sink->give_up != NULL &&
	    line_buffer_init(&unix_sink->sink.buffer, request->settings->polled_buffer_bytes))
		return unix_sink;
	unix_destroy(&unix_sink->sink);
	free(unix_sink);
	return NULL;
}

static struct sink *unix_open(const struct sink_request *request, struct error *error)
{
	size_t path_bytes = strlen(request->place) + 1;
	struct unix_sink *unix_sink;
	int error_number;

	if (path_bytes == 1 || path_bytes > sizeof(unix_sink->address.sun_path)) {
		error_set(error, "output %s: the path must have 1 to %zu bytes", request->text,
			  sizeof(unix_sink->address.sun_path) - 1);
		return NULL;
	}
	unix_sink = make_unix(request);
	if (unix_sink == NULL) {
		error_set(error, "output %s: not enough memory", request->text);
		return NULL;
	}
	error_number = connect_once(unix_sink);
	if (error_number == 0)
		return &unix_sink->sink;
	if (is_hopeless(error_number)) {
		error_set(error,
			  "output %s: cannot connect: %s (it must be a stream socket that this user may write to)",
			  request->text, strerror(error_number));
		unix_destroy(&unix_sink->sink);
		line_buffer_fini(&unix_sink->sink.buffer);
		free(unix_sink);
		return NULL;
	}
	log_warning("output %s: nobody listens there yet (%s); waiting", request->text, strerror(error_number));
	wait_for_reader(unix_sink);
	return &unix_sink->sink;
}

const struct sink_type sink_type_unix = {
	.scheme = "unix",
	.open = unix_open,
	.written = unix_written,
	.drain = unix_drain,
	.destroy = unix_destroy,
};
