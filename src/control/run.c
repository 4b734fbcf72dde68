/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The main thread of a run: opens everything in the order that privileges and error messages need, then waits for
 * events, signals and time in one loop, and takes everything down again. Decides how the program ends (tcpwitness(1)).
 */
#include "tcpwitness/control/run.h"

#include <event2/event.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "tcpwitness/base/clock.h"
#include "tcpwitness/base/log.h"
#include "tcpwitness/base/units.h"
#include "alarm_list.h"
#include "feed.h"
#include "memory_plan.h"
#include "prefault.h"
#include "privileges.h"
#include "progress.h"
#include "rules_choose.h"

enum {
	TICK_MS = 200,
	LIVE_TICK_MS = 1000,      /* at most: a sensor at rest wakes up seldom */
	PROGRESS_AFTER_TICKS = 5, /* shorter runs need no bar */
	STATUS_EVERY_MS = 5000,   /* for systemctl status, and more often when the watchdog wants it */
	LIVE_FLUSH_MS = 5000,     /* a reader that hangs must not hold up the end of a service */
	SUMMARY_TEXT_BYTES = 8192,
};

enum run_signal { ON_INTERRUPT = 0, ON_TERMINATE, ON_HANGUP, N_SIGNALS };

struct run {
	const struct config *config;
	bool is_live;
	bool lacks_input; /* one of several captures could not be opened */
	bool shows_progress;
	unsigned n_ticks;
	unsigned tick_ms;
	unsigned status_ticks; /* live: between two messages to the service manager */
	uint64_t started_ns;   /* on the machine's monotonic clock: for people only */
	struct event_base *base;
	struct capture *capture;
	struct ruleset *ruleset;
	struct event_queue *queue;
	struct alarm_list *alarms;
	struct feed *feed;
	struct pipeline *pipeline;
	struct event *signals[N_SIGNALS];
	struct event *tick;
};

static void clear_progress(const struct run *run)
{
	if (run->shows_progress && run->n_ticks >= PROGRESS_AFTER_TICKS)
		fputs("\r\033[K", stderr);
}

/* Signal handler: a second request to stop, while the first one is being obeyed. */
static void exit_at_once(int signal_number)
{
	static const char text[] =
		"\ntcpwitness: interrupted while writing: events that were not yet written are lost\n";
	ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)signal_number;
	(void)ignored;
	_exit(EXIT_OUTPUT);
}

/* From here on only the end is waited for, and whoever does not want to wait may say so. */
static void let_signals_kill(struct run *run)
{
	struct sigaction action = { .sa_handler = exit_at_once };

	event_del(run->signals[ON_INTERRUPT]);
	event_del(run->signals[ON_TERMINATE]);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static void on_stop(evutil_socket_t signal_number, short what, void *context)
{
	struct run *run = context;

	(void)signal_number;
	(void)what;
	sd_notify(0, "STOPPING=1");
	let_signals_kill(run);
	if (run->is_live)
		feed_wait_from_now(run->feed, LIVE_FLUSH_MS);
	pipeline_stop(run->pipeline);
}

static void on_hangup(evutil_socket_t signal_number, short what, void *context)
{
	struct run *run = context;

	(void)signal_number;
	(void)what;
	feed_reopen(run->feed);
}

static void on_feed_ended(void *context)
{
	struct run *run = context;

	event_base_loopbreak(run->base);
}

/* At least twice within the watchdog's time (sd_watchdog_enabled(3)), however late a tick comes. */
static unsigned choose_status_ms(void)
{
	uint64_t watchdog_us = 0;
	uint64_t third_ms;

	if (sd_watchdog_enabled(0, &watchdog_us) <= 0)
		return STATUS_EVERY_MS;
	third_ms = watchdog_us / 3 / 1000;
	if (third_ms > STATUS_EVERY_MS)
		return STATUS_EVERY_MS;
	return third_ms > 0 ? (unsigned)third_ms : 1;
}

static void choose_ticks(struct run *run)
{
	unsigned status_ms = choose_status_ms();

	run->tick_ms = TICK_MS;
	if (run->is_live)
		run->tick_ms = status_ms < LIVE_TICK_MS ? status_ms : LIVE_TICK_MS;
	run->status_ticks = status_ms / run->tick_ms;
}

static void notify_status(const struct run *run)
{
	struct pipeline_progress progress;

	pipeline_get_progress(run->pipeline, &progress);
	sd_notifyf(0,
		   "WATCHDOG=1\nSTATUS=%llu packets, %llu connections, %llu alarms open, %llu packets dropped by the "
		   "kernel",
		   (unsigned long long)progress.packets, (unsigned long long)progress.connections,
		   (unsigned long long)progress.alarms_open, (unsigned long long)progress.kernel_dropped);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	struct run *run = context;
	struct pipeline_progress progress;
	char text[PROGRESS_TEXT_BYTES];

	(void)fd;
	(void)what;
	run->n_ticks++;
	feed_check(run->feed);
	if (run->is_live && run->n_ticks % run->status_ticks == 0)
		notify_status(run);
	if (!run->shows_progress || run->n_ticks < PROGRESS_AFTER_TICKS)
		return;
	pipeline_get_progress(run->pipeline, &progress);
	progress_format(&progress, ns_to_seconds(ns_since(clock_monotonic_ns(), run->started_ns)), text);
	fprintf(stderr, "\r%s\033[K", text);
}

/*
 * Not before the input is open, which may wait for the writer of a pipe and must be interruptible. What happens from
 * now on is obeyed once the loop runs.
 */
static int watch_signals_and_time(struct run *run, struct error *error)
{
	const struct timeval interval = { .tv_sec = run->tick_ms / 1000,
					  .tv_usec = (suseconds_t)(run->tick_ms % 1000) * 1000 };

	run->signals[ON_INTERRUPT] = evsignal_new(run->base, SIGINT, on_stop, run);
	run->signals[ON_TERMINATE] = evsignal_new(run->base, SIGTERM, on_stop, run);
	run->signals[ON_HANGUP] = evsignal_new(run->base, SIGHUP, on_hangup, run);
	for (size_t i = 0; i < N_SIGNALS; i++) {
		if (run->signals[i] == NULL || event_add(run->signals[i], NULL) != 0)
			return error_set(error, "signals cannot be watched (is memory short?)");
	}
	run->tick = event_new(run->base, -1, EV_PERSIST, on_tick, run);
	if (run->tick == NULL || event_add(run->tick, &interval) != 0)
		return error_set(error, "timers cannot be watched (is memory short?)");
	return 0;
}

/* The main thread gets all signals: a capture thread that is woken by one only loses time. */
static int start_pipeline(struct run *run, struct error *error)
{
	sigset_t all;
	sigset_t before;
	int result;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = pipeline_start(run->pipeline, error);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return result;
}

/* A file that can be opened again: opening a pipe takes bytes from it, or waits for its writer. */
static bool can_be_probed(const char *path)
{
	struct stat status;

	if (strcmp(path, "-") == 0)
		return false;
	return stat(path, &status) != 0 || S_ISREG(status.st_mode) || S_ISDIR(status.st_mode);
}

/* Whether the path can be opened by itself, with *error filled when not. */
static bool can_be_opened(const char *path, const char *bpf_filter, struct error *error)
{
	struct capture *capture = capture_open_files(&path, 1, bpf_filter, error);

	capture_close(capture);
	return capture != NULL;
}

/* Of several captures those that cannot be read are named and left out; the rest is worth reading. */
static struct capture *open_captures(struct run *run, struct error *error)
{
	const struct config *config = run->config;
	const char *paths[CONFIG_MAX_PATHS];
	size_t n_paths = 0;

	if (config->n_read_paths == 1)
		return capture_open_files(config->read_paths, 1, config->bpf_filter, error);
	for (size_t i = 0; i < config->n_read_paths; i++) {
		const char *path = config->read_paths[i];

		if (!can_be_probed(path) || can_be_opened(path, config->bpf_filter, error)) {
			paths[n_paths++] = path;
			continue;
		}
		run->lacks_input = true;
		if (n_paths > 0 || i + 1 < config->n_read_paths)
			log_error("%s", error->text);
	}
	/* Without any, the last one's error is the run's. */
	return n_paths > 0 ? capture_open_files(paths, n_paths, config->bpf_filter, error) : NULL;
}

static int open_input(struct run *run, struct error *error)
{
	struct capture_live_config live = run->config->live;

	live.n_rings = run->config->pipeline.n_threads;
	if (run->is_live && live.n_rings > CAPTURE_MAX_RINGS) {
		log_warning("threads: at most %d follow an interface", CAPTURE_MAX_RINGS);
		live.n_rings = CAPTURE_MAX_RINGS;
	}
	if (run->is_live)
		run->capture = capture_open_live(&live, error);
	else
		run->capture = open_captures(run, error);
	return run->capture != NULL ? 0 : -1;
}

/*
 * As root without capture.user, outputs are opened before capabilities go, as they may lie where only root with
 * capabilities can write. With it, after: what the user cannot open now, it could not reopen on SIGHUP either.
 */
static enum exit_code open_output(struct run *run, struct error *error)
{
	const struct config *config = run->config;
	struct feed_config feed = {
		.outputs = config->outputs,
		.n_outputs = config->n_outputs,
		.lossless = !run->is_live,
		.alarms = run->alarms,
		.replay = { .capture = config->replay_capture, .command = config->replay },
		.ended = on_feed_ended,
		.context = run,
	};

	if (privileges_become(config->user, error) != 0)
		return EXIT_INPUT;
	run->feed = feed_create(&feed, run->base, run->queue, error);
	if (run->feed == NULL)
		return EXIT_OUTPUT;
	if ((run->is_live || config->user != NULL) && privileges_give_up(error) != 0)
		return EXIT_INPUT;
	return EXIT_DONE;
}

static enum exit_code open_all(struct run *run, struct error *error)
{
	const struct config *config = run->config;
	enum exit_code code;

	run->ruleset = rules_choose(config, NULL, error);
	if (run->ruleset == NULL)
		return EXIT_INPUT;
	run->base = event_base_new();
	run->alarms = alarm_list_create();
	if (run->base == NULL || run->alarms == NULL) {
		error_set(error, "the event loop cannot be created (is memory short?)");
		return EXIT_INPUT;
	}
	if (open_input(run, error) != 0)
		return EXIT_INPUT;
	run->queue = event_queue_create(config->queue_events_held, !run->is_live, config->events, error);
	if (run->queue == NULL)
		return EXIT_INPUT;
	if (watch_signals_and_time(run, error) != 0)
		return EXIT_INPUT;
	code = open_output(run, error);
	if (code != EXIT_DONE)
		return code;
	run->pipeline = pipeline_create(&config->pipeline, run->capture, run->ruleset, run->queue, error);
	if (run->pipeline == NULL)
		return EXIT_INPUT;
	memory_plan_log(config);
	if (config->prefault && prefault_all(error) != 0)
		return EXIT_INPUT;
	if (start_pipeline(run, error) != 0)
		return EXIT_INPUT;
	return EXIT_DONE;
}

/* Events written to the terminal would run into the bar. */
static bool wants_progress(const struct run *run)
{
	if (run->is_live || run->config->verbosity < 0 || isatty(STDERR_FILENO) == 0)
		return false;
	for (size_t i = 0; i < run->config->n_outputs; i++) {
		const char *output = run->config->outputs[i];
		bool is_stdout = strcmp(output, "-") == 0 || strcmp(output, "stdout") == 0;

		if (is_stdout && isatty(STDOUT_FILENO) != 0)
			return false;
	}
	return true;
}

static void print_summary(const struct run *run)
{
	double wall_seconds = ns_to_seconds(ns_since(clock_monotonic_ns(), run->started_ns));
	char text[SUMMARY_TEXT_BYTES];

	if (run->config->verbosity < 0)
		return;
	pipeline_summary_text(run->pipeline, wall_seconds, text, sizeof(text));
	fputs(text, stderr);
	alarm_list_print(run->alarms, stderr);
}

static void report_drops(const struct run *run)
{
	uint64_t events = event_queue_dropped(run->queue);
	uint64_t lines = feed_dropped(run->feed);

	if (events + lines > 0)
		log_warning(
			"%llu events were dropped because the output was slow (raise queue.events, or write to a file)",
			(unsigned long long)(events + lines));
}

/* What the capture thread has to say, after its end. */
static enum exit_code report_input(const struct run *run, enum pipeline_end pipeline_end)
{
	const struct error *error = pipeline_error(run->pipeline);
	struct pipeline_progress progress;
	bool is_failure;

	if (error->text[0] == '\0')
		return EXIT_DONE;
	pipeline_get_progress(run->pipeline, &progress);
	/* A capture that is cut short is read up to the cut; only when nothing was read is that a failure. */
	is_failure = pipeline_end == PIPELINE_FAILED || progress.packets == 0;
	/* With -q too: results of a part of a capture must not be taken for those of the whole. */
	log_error("%s", error->text);
	return is_failure ? EXIT_INPUT : EXIT_DONE;
}

/* The loop has ended: all events are with the sinks, or a sink failed. */
static enum exit_code finish(struct run *run)
{
	struct error error = { .text = "" };
	enum pipeline_end pipeline_end;
	enum exit_code code;
	bool output_failed = feed_failed(run->feed, &error);

	clear_progress(run);
	let_signals_kill(run);
	if (output_failed) {
		event_queue_abandon(run->queue);
		pipeline_stop(run->pipeline);
	}
	pipeline_end = pipeline_join(run->pipeline);
	if (!output_failed) {
		report_drops(run);
		output_failed = !feed_flush(run->feed, run->is_live ? LIVE_FLUSH_MS : UINT_MAX, &error);
	}
	code = report_input(run, pipeline_end);
	if (run->lacks_input)
		code = EXIT_INPUT;
	if (!output_failed) {
		print_summary(run);
		return code;
	}
	log_error("%s", error.text);
	return EXIT_OUTPUT;
}

static void close_all(struct run *run)
{
	pipeline_destroy(run->pipeline);
	feed_destroy(run->feed);
	alarm_list_destroy(run->alarms);
	event_queue_destroy(run->queue);
	capture_close(run->capture);
	ruleset_destroy(run->ruleset);
	for (size_t i = 0; i < N_SIGNALS; i++) {
		if (run->signals[i] != NULL)
			event_free(run->signals[i]);
	}
	if (run->tick != NULL)
		event_free(run->tick);
	if (run->base != NULL)
		event_base_free(run->base);
}

enum exit_code run_execute(const struct config *config)
{
	struct run run = { .config = config,
			   .is_live = config->live.interface != NULL,
			   .started_ns = clock_monotonic_ns() };
	struct error error = { .text = "" };
	enum exit_code code;

	choose_ticks(&run);
	run.shows_progress = wants_progress(&run);
	code = open_all(&run, &error);
	if (code == EXIT_DONE) {
		sd_notify(0, "READY=1");
		log_info("%s", run.is_live ? "watching" : "reading");
		event_base_dispatch(run.base);
		code = finish(&run);
	} else {
		log_error("%s", error.text);
	}
	close_all(&run);
	return code;
}
