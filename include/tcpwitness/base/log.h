/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Messages for people, on stderr, one line each: "tcpwitness: text". The only global state of
 * the program. Never called on the packet path.
 */
enum log_level {
	LOG_LEVEL_ERROR = 0,
	LOG_LEVEL_WARNING = 1,
	LOG_LEVEL_INFO = 2,
	LOG_LEVEL_DEBUG = 3,
};

/* Main thread, before others start: messages above this level are dropped (default: warning). */
void log_set_level(enum log_level level);

/*
 * Main thread, before others start: with use_priority each line begins with the "<N>" that
 * systemd's journal reads (sd-daemon(3)).
 */
void log_set_journal(int use_priority);

/* Any thread. The formatted text must not end in a newline. */
void log_message(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_message(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_message(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_message(LOG_LEVEL_DEBUG, __VA_ARGS__)
