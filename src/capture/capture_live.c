/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One interface by libpcap, which on Linux means a TPACKET_V3 ring: the kernel fills blocks and hands one over when
 * it is full or batch_ms old. The handle is non-blocking and the waiting is ours, together with the break's
 * descriptor, so that a stop takes effect at once and quiet is told from traffic.
 *
 * libpcap gives a block back to the kernel before it returns, so a burst is copied out of the ring: it stays in the
 * nearest caches, where it is read next, and a slow burst holds no block.
 */
#include "capture_live.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tcpwitness/base/clock.h"
#include "tcpwitness/base/log.h"
#include "tcpwitness/base/units.h"

#include "fanout.h"
#include "pcap_source.h"

enum {
	SNAPLEN_MAX_BYTES = 262144,
	TIMEOUT_MAX_MS = 1000,
	BURST_MAX_FRAMES = 32,
	KEPT_ALIGNMENT_BYTES = 16,
};

/*
 * libpcap opens two files to count drops: too much for every thousand packets, and for every moment of quiet, in which
 * only the interface can have dropped something.
 */
#define DROPS_EVERY_NS       (200 * NS_PER_MS)
#define QUIET_DROPS_EVERY_NS NS_PER_SEC

/* A 64-bit count over one of libpcap's 32-bit ones. */
struct wide_count {
	uint64_t total;
	uint32_t last;
};

/* Whoever stops the sensor does not wait longer than this for what is still in the ring. */
#define MAX_DRAIN_NS (500 * NS_PER_MS)

struct capture_live {
	const struct break_request *request; /* borrowed */
	char *name;
	pcap_t *handle;
	int fd;
	uint32_t timeout_ms;
	uint32_t batch_ms;
	uint32_t tick_ns;
	uint32_t snaplen_bytes;
	uint16_t link_type;
	uint8_t *kept;        /* the data of a burst; pages that no burst needed are not in memory */
	uint64_t drops_at_ns; /* when they were last asked for, on CLOCK_MONOTONIC; 0 = they must be now */
	bool is_quiet;        /* no frame since then */
	struct wide_count received;
	struct wide_count dropped;
	struct wide_count interface_dropped;
	bool is_ring_behind;  /* not the first of several: what the interface dropped is told by that one */
	uint64_t begins_ns;   /* frames of before may have come to other rings as well */
	uint64_t expected_ns; /* capture_live_expect */
	uint64_t silent_until_ns;
	uint64_t drain_deadline_ns; /* CLOCK_MONOTONIC, once a break was requested; 0 = none */
	uint64_t break_time_ns;     /* frames up to then are still handed out */
};

static int check_config(const struct capture_live_config *config, struct error *error)
{
	if (config->interface == NULL || config->interface[0] == '\0')
		return error_set(error, "no interface is named; give one with -i");
	if (config->snaplen_bytes == 0 || config->snaplen_bytes > SNAPLEN_MAX_BYTES)
		return error_set(error, "interface %s: snapshot length %u is not within 1 to %d bytes",
				 config->interface, config->snaplen_bytes, SNAPLEN_MAX_BYTES);
	if (config->timeout_ms == 0 || config->timeout_ms > TIMEOUT_MAX_MS)
		return error_set(error, "interface %s: timeout %u is not within 1 to %d ms", config->interface,
				 config->timeout_ms, TIMEOUT_MAX_MS);
	if (config->batch_ms == 0 || config->batch_ms > config->timeout_ms)
		return error_set(error, "interface %s: batch timeout %u is not within 1 to %u ms", config->interface,
				 config->batch_ms, config->timeout_ms);
	if (config->buffer_bytes > INT32_MAX)
		return error_set(error, "interface %s: buffer of %u bytes is above the limit of 2 GiB",
				 config->interface, config->buffer_bytes);
	return 0;
}

/* Says why pcap_activate failed. Returns -1. */
static int refuse(const struct capture_live *live, int status, struct error *error)
{
	const char *detail = pcap_geterr(live->handle);

	switch (status) {
	case PCAP_ERROR_NO_SUCH_DEVICE:
		return error_set(error, "interface %s: does not exist; 'ip link' lists those that do", live->name);
	case PCAP_ERROR_PERM_DENIED:
	case PCAP_ERROR_PROMISC_PERM_DENIED:
		return error_set(error, "interface %s: no permission to capture; run as root or with CAP_NET_RAW (%s)",
				 live->name, detail);
	case PCAP_ERROR_IFACE_NOT_UP:
		return error_set(error, "interface %s: is down; 'ip link set %s up'", live->name, live->name);
	default:
		return error_set(error, "interface %s: cannot capture: %s%s%s", live->name, pcap_statustostr(status),
				 detail[0] != '\0' ? ": " : "", detail);
	}
}

static int activate(struct capture_live *live, const struct capture_live_config *config, struct error *error)
{
	int status = 0;

	status |= pcap_set_snaplen(live->handle, (int)config->snaplen_bytes);
	status |= pcap_set_promisc(live->handle, config->promiscuous);
	status |= pcap_set_timeout(live->handle, (int)config->batch_ms);
	if (config->buffer_bytes != 0)
		status |= pcap_set_buffer_size(live->handle, (int)config->buffer_bytes);
	if (status != 0)
		return error_set(error, "interface %s: libpcap refuses the settings", live->name);
	/* Not every source has nanoseconds; pcap_source_tick_ns asks what came of it. */
	(void)pcap_set_tstamp_precision(live->handle, PCAP_TSTAMP_PRECISION_NANO);
	status = pcap_activate(live->handle);
	if (status < 0)
		return refuse(live, status, error);
	if (status > 0)
		log_warning("interface %s: %s: %s", live->name, pcap_statustostr(status), pcap_geterr(live->handle));
	return 0;
}

static int open_handle(struct capture_live *live, const struct capture_live_config *config, struct error *error)
{
	char reason[PCAP_ERRBUF_SIZE] = "";

	live->handle = pcap_create(live->name, reason);
	if (live->handle == NULL)
		return error_set(error, "interface %s: cannot be opened: %s", live->name, reason);
	if (activate(live, config, error) < 0)
		return -1;
	if (pcap_setnonblock(live->handle, 1, reason) != 0)
		return error_set(error, "interface %s: cannot be made non-blocking: %s", live->name, reason);
	live->fd = pcap_get_selectable_fd(live->handle);
	if (live->fd < 0)
		return error_set(error, "interface %s: cannot be waited for with poll(2); this kind is not supported",
				 live->name);
	int link_type = pcap_source_link_type(live->handle, live->name, error);
	if (link_type < 0)
		return -1;
	live->link_type = (uint16_t)link_type;
	live->tick_ns = pcap_source_tick_ns(live->handle);
	return pcap_source_set_filter(live->handle, config->bpf_filter, live->name, error);
}

/* What a frame of this size takes of the memory for a burst. */
static size_t kept_bytes(uint32_t captured_bytes)
{
	return ((size_t)captured_bytes / KEPT_ALIGNMENT_BYTES + 1) * KEPT_ALIGNMENT_BYTES;
}

struct capture_live *capture_live_open(const struct capture_live_config *config, const struct break_request *request,
				       struct error *error)
{
	struct capture_live *live;

	if (check_config(config, error) < 0)
		return NULL;
	live = calloc(1, sizeof(*live));
	if (live != NULL)
		live->name = strdup(config->interface);
	if (live == NULL || live->name == NULL) {
		error_set(error, "interface %s: not enough memory to open it", config->interface);
		goto fail;
	}
	live->request = request;
	live->timeout_ms = config->timeout_ms;
	live->batch_ms = config->batch_ms;
	live->snaplen_bytes = config->snaplen_bytes;
	live->expected_ns = UINT64_MAX;
	live->kept = calloc(BURST_MAX_FRAMES, kept_bytes(config->snaplen_bytes));
	if (live->kept == NULL) {
		error_set(error, "interface %s: not enough memory for its frames", config->interface);
		goto fail;
	}
	if (open_handle(live, config, error) < 0)
		goto fail;
	return live;
fail:
	capture_live_close(live);
	return NULL;
}

void capture_live_close(struct capture_live *live)
{
	if (live == NULL)
		return;
	if (live->handle != NULL)
		pcap_close(live->handle);
	free(live->kept);
	free(live->name);
	free(live);
}

int capture_live_share(struct capture_live *const *lives, size_t n, struct error *error)
{
	int fds[CAPTURE_MAX_RINGS] = { 0 };

	for (size_t i = 0; i < n; i++)
		fds[i] = lives[i]->fd;
	if (fanout_join(fds, n, lives[0]->name, error) != 0)
		return -1;
	/* A frame that is on its way at this moment may still meet the rings as they were. */
	uint64_t begins_ns = clock_realtime_ns() + NS_PER_MS;
	for (size_t i = 0; i < n; i++) {
		lives[i]->begins_ns = begins_ns;
		lives[i]->is_ring_behind = i > 0;
	}
	return 0;
}

/*
 * Waits for frames, the break (unless that has come) or the deadline; false if that came first. Errors of the interface
 * are left to libpcap, which clears them and knows which are fatal.
 */
static bool wait_until(const struct capture_live *live, uint64_t deadline_ns)
{
	struct pollfd fds[] = {
		{ .fd = live->fd, .events = POLLIN },
		{ .fd = live->drain_deadline_ns == 0 ? live->request->event_fd : -1, .events = POLLIN },
	};
	uint64_t wait_ns = ns_since(deadline_ns, clock_monotonic_ns());
	struct timespec wait = { .tv_sec = (time_t)(wait_ns / NS_PER_SEC), .tv_nsec = (long)(wait_ns % NS_PER_SEC) };

	return ppoll(fds, 2, &wait, NULL) != 0;
}

/* How old a frame may be that the kernel still holds: its timer is late by a tick of its clock, 10 ms at most. */
static uint64_t oldest_unseen_ns(const struct capture_live *live)
{
	enum { KERNEL_TICK_MS = 10 };

	return (uint64_t)(live->batch_ms + KERNEL_TICK_MS) * NS_PER_MS;
}

void capture_live_expect(struct capture_live *live, uint64_t due_ns)
{
	live->expected_ns = due_ns;
}

uint64_t capture_live_silent_until_ns(const struct capture_live *live)
{
	return live->silent_until_ns;
}

/* How long to wait for a frame: a sooner end than batch_ms would be that of a silence nobody has heard of. */
static uint64_t longest_wait_ns(const struct capture_live *live)
{
	uint64_t most_ns = live->timeout_ms * NS_PER_MS;
	uint64_t least_ns = live->batch_ms * NS_PER_MS;

	uint64_t wait_ns = ns_since(live->expected_ns, clock_realtime_ns() - oldest_unseen_ns(live));

	if (wait_ns > most_ns)
		return most_ns;
	return wait_ns < least_ns ? least_ns : wait_ns;
}

/*
 * What passed before the break is still to be handed out: the kernel gives a block of its ring away when it is full,
 * or after batch_ms.
 */
static void begin_drain(struct capture_live *live)
{
	uint64_t drain_ns = UINT64_C(2) * live->batch_ms * NS_PER_MS;

	live->break_time_ns = clock_realtime_ns();
	live->drain_deadline_ns = clock_monotonic_ns() + (drain_ns < MAX_DRAIN_NS ? drain_ns : MAX_DRAIN_NS);
}

struct burst {
	struct capture_live *live;
	struct frame *frames;
	size_t n_frames;
	size_t n_bytes; /* of live->kept */
};

/* libpcap's callback: data are gone when it returns. */
static void keep_frame(u_char *context, const struct pcap_pkthdr *header, const u_char *data)
{
	struct burst *burst = (struct burst *)(void *)context;
	const struct capture_live *live = burst->live;
	struct frame *frame = &burst->frames[burst->n_frames];
	uint8_t *kept = live->kept + burst->n_bytes;

	pcap_source_fill_frame(header, kept, live->tick_ns, frame);
	if (frame->time_ns < live->begins_ns)
		return;
	burst->n_frames++;
	if (frame->captured_bytes > live->snaplen_bytes)
		frame->captured_bytes = live->snaplen_bytes;
	memcpy(kept, data, frame->captured_bytes);
	frame->link_type = live->link_type;
	frame->source = 0;
	burst->n_bytes += kept_bytes(frame->captured_bytes);
}

/* Those that passed before the break, which are the first: the ring is in the order of time. */
static size_t count_before_break(const struct capture_live *live, const struct frame *frames, size_t n_frames)
{
	size_t n = 0;

	while (n < n_frames && frames[n].time_ns <= live->break_time_ns)
		n++;
	return n;
}

/* The end, after which what was dropped is asked for once more. */
static enum capture_result end_with(struct capture_live *live, enum capture_result result)
{
	live->drops_at_ns = 0;
	return result;
}

enum capture_result capture_live_next(struct capture_live *live, struct frame *frames, size_t n_max, size_t *n_frames,
				      struct error *error)
{
	int most = n_max < BURST_MAX_FRAMES ? (int)n_max : BURST_MAX_FRAMES;
	uint64_t deadline_ns = 0;

	for (;;) {
		struct burst burst = { .live = live, .frames = frames };
		int status = pcap_dispatch(live->handle, most, keep_frame, (u_char *)&burst);
		*n_frames = burst.n_frames;
		if (live->drain_deadline_ns == 0 && break_requested(live->request))
			begin_drain(live);
		if (burst.n_frames > 0) {
			live->is_quiet = false;
			if (live->drain_deadline_ns != 0)
				*n_frames = count_before_break(live, frames, burst.n_frames);
			return *n_frames > 0 ? CAPTURE_FRAME : end_with(live, CAPTURE_BROKEN);
		}
		if (live->drain_deadline_ns != 0) {
			if (clock_monotonic_ns() >= live->drain_deadline_ns ||
			    (status < 0 && status != PCAP_ERROR_BREAK))
				return end_with(live, CAPTURE_BROKEN);
			(void)wait_until(live, live->drain_deadline_ns);
			continue;
		}
		if (status < 0) {
			error_set(error, "interface %s: capture ended: %s", live->name, pcap_geterr(live->handle));
			return end_with(live, CAPTURE_FAILED);
		}
		/* The clock is read only when nothing is there. */
		uint64_t now_ns = clock_monotonic_ns();
		if (deadline_ns == 0)
			deadline_ns = now_ns + longest_wait_ns(live);
		if (now_ns >= deadline_ns || !wait_until(live, deadline_ns)) {
			live->silent_until_ns = clock_realtime_ns() - oldest_unseen_ns(live);
			return CAPTURE_IDLE;
		}
	}
}

void capture_live_break(struct capture_live *live)
{
	pcap_breakloop(live->handle);
}

/*
 * Adds what was counted since the last call. libpcap's counts wrap at 2^32; a step of more than half of that is
 * taken for a step back (an interface that was replaced) and only re-bases the count.
 */
static void widen(struct wide_count *count, uint32_t now)
{
	uint32_t step = now - count->last;

	if (step <= INT32_MAX)
		count->total += step;
	count->last = now;
}

void capture_live_get_drops(struct capture_live *live, struct capture_stats *stats)
{
	uint64_t now_ns = clock_monotonic_ns();
	uint64_t every_ns = live->is_quiet ? QUIET_DROPS_EVERY_NS : DROPS_EVERY_NS;
	struct pcap_stat now;

	/* When the interface is gone, the last counts stay. */
	if ((live->drops_at_ns == 0 || now_ns - live->drops_at_ns >= every_ns) && pcap_stats(live->handle, &now) == 0) {
		live->drops_at_ns = now_ns;
		live->is_quiet = true;
		widen(&live->received, now.ps_recv);
		widen(&live->dropped, now.ps_drop);
		widen(&live->interface_dropped, now.ps_ifdrop);
	}
	stats->kernel_received = live->received.total;
	stats->kernel_dropped = live->dropped.total;
	stats->interface_dropped = live->is_ring_behind ? 0 : live->interface_dropped.total;
}
