/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/capture/capture.h"
#include "tcpwitness/events/sensor_event.h"
#include "tcpwitness/pipeline/pipeline.h"

/* Everything a run needs to know, from the command line, the configuration file and the defaults. */
enum config_command {
	COMMAND_RUN = 0,
	COMMAND_CHECK = 1,
	COMMAND_HELP = 2,
	COMMAND_VERSION = 3,
};

enum { CONFIG_MAX_PATHS = 256 };

struct config {
	enum config_command command;
	const char *config_path; /* null = built-in defaults */
	const char *read_paths[CONFIG_MAX_PATHS];
	size_t n_read_paths;
	const char *rules_paths[CONFIG_MAX_PATHS];
	size_t n_rules_paths; /* 0 = the installed rules */
	const char *outputs[CONFIG_MAX_PATHS];
	size_t n_outputs;                /* at least 1 after config_load */
	struct capture_live_config live; /* live.interface null = files */
	char *bpf_filter;                /* owned; trailing arguments joined; null = none */
	sensor_event_mask events;
	bool seed_given; /* hash.seed was set to a number; else the secret is random */
	uint64_t seed;
	uint64_t memory_bytes;         /* the whole budget, of which the program's own needs are taken first */
	uint64_t memory_fixed_bytes;   /* these, after config_load */
	uint64_t memory_planned_bytes; /* what the division comes to; more than memory_bytes when that is small */
	bool prefault;                 /* takes all memory from the system at start */
	double detect_share;           /* part of what is left that the detectors get, 0 .. 1 */
	const char *user;              /* to become after the interface is open; null = stay */
	int verbosity;                 /* -1 quiet, 0, 1, 2 */
	unsigned queue_events;         /* capacity of the event queue, as asked */
	unsigned queue_events_held;    /* as memory has room for, after config_load */
	unsigned max_fragments;        /* as asked; what there is room for stands in pipeline.decoder */
	struct pipeline_config pipeline;
	char *replay;         /* owned; a command that reads the input again as this run does and writes alarms */
	char *replay_capture; /* owned; live: a command that takes that input first; files: empty */
	char *mistakes;       /* owned; all mistakes of the configuration file, one a line; null = none */
	struct string_pool *strings; /* owns what the pointers above refer to */
};

enum config_result {
	CONFIG_OK = 0,
	CONFIG_WRONG_USAGE = 2, /* exit code 2 */
	CONFIG_INVALID = 1,     /* the file or a value in it: exit code 1 */
};

/*
 * Reads the command line and the file it names. *config is filled also when it fails, and must be freed with
 * config_free. *error holds one line on failure; mistakes holds more of them when the file is to blame. argv is
 * borrowed for the life of *config.
 */
enum config_result config_load(struct config *config, int argc, char **argv, struct error *error);
void config_free(struct config *config);

/* --help, from the option table: at most 80 columns and one screen. */
void config_print_help(FILE *out);

/* --version: one line. */
void config_print_version(FILE *out);

/* Main thread, at start: the level of messages, and the form that systemd's journal reads when standard error is it. */
void config_set_up_log(const struct config *config);

/* "512M", "1G", "65536": bytes, powers of 1024. False when it is no size. */
bool config_parse_size(const char *text, uint64_t *bytes);
