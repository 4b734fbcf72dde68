/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides what a run does, from the defaults, the configuration file and the command line, each overriding the one
 * before it (tcpwitness(1)).
 */
#include "tcpwitness/control/config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/sinks/sink.h"
#include "command_line.h"
#include "memory_plan.h"
#include "replay.h"
#include "config_yaml.h"
#include "option_table.h"
#include "string_pool.h"

enum {
	LIVE_TIMEOUT_MS = 250, /* how often a quiet interface lets time go on */
	/*
	 * What the kernel delays frames, and so alarms, by at most. Not less: each time a block of the ring is taken,
	 * however few frames came, and 64 MiB of them are to outlast a sensor that is held up for 5 s.
	 */
	LIVE_BATCH_MS = 20,
};

#define EVENT_BIT(type) (UINT32_C(1) << (type))

static bool set_defaults(struct config *config, struct error *error)
{
	*config = (struct config){ .command = COMMAND_RUN };
	config->strings = string_pool_create();
	if (config->strings == NULL) {
		error_set(error, "out of memory");
		return false;
	}
	decoder_config_defaults(&config->pipeline.decoder);
	config->max_fragments = config->pipeline.decoder.max_fragments_held;
	tracker_config_defaults(&config->pipeline.tracker);
	config->live.timeout_ms = LIVE_TIMEOUT_MS;
	config->live.batch_ms = LIVE_BATCH_MS;
	for (const struct config_option *option = config_options; option->name != NULL || option->key != NULL;
	     option++) {
		if (option->default_text != NULL && !option_set(option, config, option->default_text, error))
			return false;
	}
	return true;
}

/* The trailing words as one text, as if they had been quoted. */
static char *join(char *const *words)
{
	size_t bytes = 1;
	char *text;
	char *end;

	for (char *const *word = words; *word != NULL; word++)
		bytes += strlen(*word) + 1;
	text = calloc(1, bytes);
	if (text == NULL)
		return NULL;
	end = text;
	for (char *const *word = words; *word != NULL; word++) {
		size_t length = strlen(*word);

		if (word != words)
			*end++ = ' ';
		memcpy(end, *word, length);
		end += length;
	}
	return text;
}

static bool check_usage(const struct config *config, const struct command_line *line, struct error *error)
{
	bool has_files = config->n_read_paths > 0;
	bool has_interface = config->live.interface != NULL;
	const char *operand = line->operands[0];

	if (config->command == COMMAND_CHECK) {
		if (has_files || has_interface)
			error_set(error, "check reads no packets (leave -r and -i out)");
		else if (operand != NULL)
			error_set(error, "unexpected word '%.64s' (check takes options only)", operand);
		return !has_files && !has_interface && operand == NULL;
	}
	if (has_files && has_interface)
		error_set(error, "-r and -i exclude each other (give one)");
	else if (!has_files && !has_interface && operand != NULL)
		error_set(error, "no input (did you mean '-r %.64s' or '-i %.64s'?)", operand, operand);
	else if (!has_files && !has_interface)
		error_set(error, "no input (give -r FILE or -i IFACE)");
	return has_files != has_interface;
}

static bool is_regular_file(const char *path, struct stat *status)
{
	return stat(path, status) == 0 && S_ISREG(status->st_mode);
}

static bool is_same_file(const char *path, const struct stat *other)
{
	struct stat status;

	return is_regular_file(path, &status) && status.st_dev == other->st_dev && status.st_ino == other->st_ino;
}

/* An output that appends to a capture would spoil it; two that append to one file would write each line twice. */
static bool check_output_file(const struct config *config, size_t index, struct error *error)
{
	static const char scheme[] = "file:";
	const char *text = config->outputs[index];
	const char *path = text + strlen(scheme);
	struct stat status;

	for (size_t i = 0; i < index; i++) {
		if (strcmp(config->outputs[i], text) == 0)
			return error_set(error, "output %s: given twice (leave one out)", text) == 0;
	}
	if (strncmp(text, scheme, strlen(scheme)) != 0 || !is_regular_file(path, &status))
		return true;
	for (size_t i = 0; i < config->n_read_paths; i++) {
		if (is_same_file(config->read_paths[i], &status))
			return error_set(error, "output %s: is also read (choose another file)", text) == 0;
	}
	for (size_t i = 0; i < index; i++) {
		const char *other = config->outputs[i];
		if (strncmp(other, scheme, strlen(scheme)) == 0 && is_same_file(other + strlen(scheme), &status))
			return error_set(error, "outputs %s and %s: are one file (leave one out)", other, text) == 0;
	}
	return true;
}

static bool check_outputs(const struct config *config, struct error *error)
{
	for (size_t i = 0; i < config->n_outputs; i++) {
		if (sink_check_text(config->outputs[i], error) != 0 || !check_output_file(config, i, error))
			return false;
	}
	return true;
}

/* Nobody is to guess the secret; events do not depend on it. hash.seed is for tests of just that. */
static bool choose_secrets(struct config *config, struct error *error)
{
	int failed;

	if (config->seed_given) {
		config->pipeline.tracker.key.secret = siphash_key_from_seed(config->seed);
		config->pipeline.detect.secret = siphash_key_from_seed(~config->seed);
		return true;
	}
	failed = siphash_key_random(&config->pipeline.tracker.key.secret);
	if (failed == 0)
		failed = siphash_key_random(&config->pipeline.detect.secret);
	if (failed != 0)
		error_set(error, "no random numbers from the kernel: %s (set hash.seed)", strerror(-failed));
	return failed == 0;
}

/* What follows from the values as a whole. */
static enum config_result finish(struct config *config, const struct command_line *line, struct error *error)
{
	static const char standard_output[] = "-";

	if (!check_usage(config, line, error) || !check_outputs(config, error))
		return CONFIG_WRONG_USAGE;
	if (line->operands[0] != NULL) {
		config->bpf_filter = join(line->operands);
		if (config->bpf_filter == NULL) {
			error_set(error, "out of memory");
			return CONFIG_INVALID;
		}
	}
	config->live.bpf_filter = config->bpf_filter;
	if (config->n_outputs == 0)
		config->outputs[config->n_outputs++] = standard_output;
	if (config->events == 0) {
		config->events = EVENT_BIT(EVENT_ALERT) | EVENT_BIT(EVENT_FLOW) | EVENT_BIT(EVENT_ANOMALY) |
				 EVENT_BIT(EVENT_SUMMARY);
		if (config->live.interface != NULL)
			config->events |= EVENT_BIT(EVENT_STATS);
	}
	config->pipeline.summary = (config->events & EVENT_BIT(EVENT_SUMMARY)) != 0;
	memory_plan_divide(config);
	config->replay = replay_command(config, line);
	config->replay_capture = replay_capture(config);
	if (config->replay == NULL || config->replay_capture == NULL) {
		error_set(error, "out of memory");
		return CONFIG_INVALID;
	}
	return choose_secrets(config, error) ? CONFIG_OK : CONFIG_INVALID;
}

/* CONFIG_INVALID with all mistakes of the file in config->mistakes, and the first in *error. */
static enum config_result read_file(struct config *config, struct error *error)
{
	struct mistakes mistakes = { .name = config->config_path, .error = error };
	size_t report_bytes;
	char *report_text = NULL;

	mistakes.report = open_memstream(&report_text, &report_bytes);
	config_yaml_read_file(config, &mistakes);
	if (mistakes.report != NULL)
		fclose(mistakes.report);
	if (mistakes.n == 0) {
		free(report_text);
		return CONFIG_OK;
	}
	config->mistakes = report_text;
	return CONFIG_INVALID;
}

static enum config_result load(struct config *config, const struct command_line *line, struct error *error)
{
	enum config_result file_result = CONFIG_OK;
	enum config_result result;
	struct error later = { .text = "" }; /* wrong usage goes first, then the file, then the whole */

	config->command = line->command;
	config->verbosity = line->verbosity;
	if (line->command == COMMAND_HELP || line->command == COMMAND_VERSION)
		return CONFIG_OK;
	if (line->config_path != NULL) {
		config->config_path = line->config_path;
		file_result = read_file(config, error);
	}
	if (!command_line_apply(line, config, &later)) {
		error_set(error, "%s", later.text);
		return CONFIG_WRONG_USAGE;
	}
	result = finish(config, line, &later);
	if (result == CONFIG_WRONG_USAGE || file_result == CONFIG_OK) {
		if (result != CONFIG_OK)
			error_set(error, "%s", later.text);
		return result;
	}
	return file_result;
}

enum config_result config_load(struct config *config, int argc, char **argv, struct error *error)
{
	struct command_line line;
	enum config_result result = CONFIG_WRONG_USAGE;

	if (!set_defaults(config, error))
		return CONFIG_INVALID;
	if (command_line_read(&line, argc, argv, error))
		result = load(config, &line, error);
	command_line_fini(&line);
	return result;
}

void config_free(struct config *config)
{
	string_pool_destroy(config->strings);
	free(config->bpf_filter);
	free(config->mistakes);
	free(config->replay);
	free(config->replay_capture);
	*config = (struct config){ .command = COMMAND_RUN };
}
