/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The capture layer's face: numbers and counts frames, whether they come from files or an interface, and carries
 * the request to stop. The rest is in capture_merge.c (several files), capture_file.c (one), capture_live.c.
 */
#include "tcpwitness/capture/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "break_request.h"
#include "capture_live.h"
#include "capture_merge.h"

struct capture {
	struct break_request request;
	struct capture_merge *files; /* one of these two is null */
	struct capture_live *live;
	char **names; /* of the sources; n_sources of them */
	size_t n_sources;
	struct capture *rings[CAPTURE_MAX_RINGS]; /* of an interface; the first is this one itself */
	size_t n_rings;
	uint64_t number_step;
	uint64_t first_number;
	uint64_t last_ns;
	/* Written by the capture thread alone. */
	_Atomic uint64_t frames;
	_Atomic uint64_t bytes;
	_Atomic uint64_t time_backwards;
};

static uint64_t load(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* One writer, so that a load and a store do what a locked addition would. */
static void add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, load(counter) + n, memory_order_relaxed);
}

/* A capture without a source yet. Null with *error filled. */
static struct capture *create(const char *const *names, size_t n_names, struct error *error)
{
	struct capture *capture = calloc(1, sizeof(*capture));

	if (capture == NULL)
		goto no_memory;
	capture->rings[capture->n_rings++] = capture;
	capture->number_step = 1;
	capture->first_number = 1;
	capture->request.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (capture->request.event_fd < 0) {
		error_set(error, "no descriptor for stopping: %s; raise the limit (ulimit -n)", strerror(errno));
		goto fail;
	}
	/* One more, because an empty list is refused later and calloc(0) may give null. */
	capture->names = calloc(n_names + 1, sizeof(char *));
	if (capture->names == NULL)
		goto no_memory;
	for (; capture->n_sources < n_names; capture->n_sources++) {
		capture->names[capture->n_sources] = strdup(names[capture->n_sources]);
		if (capture->names[capture->n_sources] == NULL)
			goto no_memory;
	}
	return capture;
no_memory:
	error_set(error, "not enough memory to open a capture");
fail:
	capture_close(capture);
	return NULL;
}

struct capture *capture_open_files(const char *const *paths, size_t n_paths, const char *bpf_filter,
				   struct error *error)
{
	struct capture *capture = create(paths, n_paths, error);

	if (capture == NULL)
		return NULL;
	/* Its own copies of the paths, which live as long as it does. */
	capture->files =
		capture_merge_open((const char *const *)capture->names, n_paths, bpf_filter, &capture->request, error);
	if (capture->files == NULL) {
		capture_close(capture);
		return NULL;
	}
	return capture;
}

static struct capture *open_ring(const struct capture_live_config *config, struct error *error)
{
	const char *name = config->interface != NULL ? config->interface : "";
	struct capture *capture = create(&name, 1, error);

	if (capture == NULL)
		return NULL;
	capture->live = capture_live_open(config, &capture->request, error);
	if (capture->live == NULL) {
		capture_close(capture);
		return NULL;
	}
	return capture;
}

/* The first is open. */
static int open_other_rings(struct capture *capture, const struct capture_live_config *config, struct error *error)
{
	struct capture_live *lives[CAPTURE_MAX_RINGS] = { capture->live };
	struct capture_live_config other = *config;

	if (config->n_rings > CAPTURE_MAX_RINGS)
		return error_set(error, "interface %s: %u rings are more than %d", config->interface, config->n_rings,
				 CAPTURE_MAX_RINGS);
	other.promiscuous = false; /* the interface is already */
	while (capture->n_rings < config->n_rings) {
		struct capture *ring = open_ring(&other, error);
		if (ring == NULL)
			return -1;
		lives[capture->n_rings] = ring->live;
		capture->rings[capture->n_rings++] = ring;
	}
	for (size_t i = 0; i < capture->n_rings; i++) {
		capture->rings[i]->number_step = capture->n_rings;
		capture->rings[i]->first_number = i + 1;
	}
	return capture_live_share(lives, capture->n_rings, error);
}

struct capture *capture_open_live(const struct capture_live_config *config, struct error *error)
{
	struct capture *capture = open_ring(config, error);

	if (capture != NULL && config->n_rings > 1 && open_other_rings(capture, config, error) != 0) {
		capture_close(capture);
		return NULL;
	}
	return capture;
}

size_t capture_n_rings(const struct capture *capture)
{
	return capture->n_rings;
}

struct capture *capture_ring(struct capture *capture, size_t ring)
{
	return capture->rings[ring];
}

void capture_close(struct capture *capture)
{
	if (capture == NULL)
		return;
	for (size_t i = 1; i < capture->n_rings; i++)
		capture_close(capture->rings[i]);
	capture_merge_close(capture->files);
	capture_live_close(capture->live);
	if (capture->request.event_fd >= 0)
		close(capture->request.event_fd);
	for (size_t i = 0; i < capture->n_sources; i++)
		free(capture->names[i]);
	free(capture->names);
	free(capture);
}

static void count_frames(struct capture *capture, struct frame *frames, size_t n_frames)
{
	uint64_t so_far = load(&capture->frames);
	uint64_t bytes = 0;
	uint64_t time_backwards = 0;

	for (size_t i = 0; i < n_frames; i++) {
		frames[i].number = capture->first_number + (so_far + i) * capture->number_step;
		bytes += frames[i].wire_bytes;
		time_backwards += frames[i].time_ns < capture->last_ns;
		capture->last_ns = frames[i].time_ns;
	}
	add(&capture->frames, n_frames);
	add(&capture->bytes, bytes);
	add(&capture->time_backwards, time_backwards);
}

enum capture_result capture_next_burst(struct capture *capture, struct frame *frames, size_t n_max, size_t *n_frames,
				       struct error *error)
{
	enum capture_result result;

	*n_frames = 0;
	if (capture->live != NULL)
		result = capture_live_next(capture->live, frames, n_max, n_frames, error);
	else if (break_requested(&capture->request))
		return CAPTURE_BROKEN;
	else
		result = capture_merge_next(capture->files, frames, n_max, n_frames);
	if (result == CAPTURE_FRAME)
		count_frames(capture, frames, *n_frames);
	else if (result == CAPTURE_END && error != NULL)
		*error = *capture_merge_damage(capture->files);
	return result;
}

enum capture_result capture_next(struct capture *capture, struct frame *frame, struct error *error)
{
	size_t n_frames;

	return capture_next_burst(capture, frame, 1, &n_frames, error);
}

void capture_expect(struct capture *capture, uint64_t due_ns)
{
	if (capture->live != NULL)
		capture_live_expect(capture->live, due_ns);
}

uint64_t capture_silent_until_ns(const struct capture *capture)
{
	return capture->live != NULL ? capture_live_silent_until_ns(capture->live) : 0;
}

static void break_ring(struct capture *capture)
{
	const uint64_t one = 1;

	atomic_store_explicit(&capture->request.requested, true, memory_order_relaxed);
	/* It fails only when the counter is full, and then the descriptor is readable already. */
	ssize_t written = write(capture->request.event_fd, &one, sizeof(one));
	(void)written;
	if (capture->live != NULL)
		capture_live_break(capture->live);
}

void capture_break(struct capture *capture)
{
	int saved_errno = errno;

	for (size_t i = 0; i < capture->n_rings; i++)
		break_ring(capture->rings[i]);
	errno = saved_errno;
}

void capture_get_stats(struct capture *capture, struct capture_stats *stats)
{
	*stats = (struct capture_stats){
		.frames = load(&capture->frames),
		.bytes = load(&capture->bytes),
		.time_backwards = load(&capture->time_backwards),
	};
	if (capture->live != NULL) {
		capture_live_get_drops(capture->live, stats);
	} else {
		stats->input_bytes_read = capture_merge_bytes_read(capture->files);
		stats->input_bytes_total = capture_merge_bytes_total(capture->files);
		stats->truncated = capture_merge_truncated(capture->files);
	}
}

size_t capture_n_sources(const struct capture *capture)
{
	return capture->n_sources;
}

const char *capture_source_name(const struct capture *capture, size_t source)
{
	return capture->names[source];
}

bool capture_is_live(const struct capture *capture)
{
	return capture->live != NULL;
}
