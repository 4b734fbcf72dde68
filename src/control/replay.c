/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides which of a run's options an alarm depends on, and how words are quoted for the shell.
 */
#include "replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tcpwitness/sinks/event_json.h"

/* A word that the shell takes as it is. */
static bool is_plain(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";

	return word[0] != '\0' && strspn(word, plain) == strlen(word);
}

static void put_word(FILE *text, const char *word)
{
	if (is_plain(word)) {
		fprintf(text, " %s", word);
		return;
	}
	fputs(" '", text);
	for (; *word != '\0'; word++) {
		if (*word == '\'')
			fputs("'\\''", text);
		else
			fputc(*word, text);
	}
	fputc('\'', text);
}

/* What alarms do not depend on: the input, given apart; where events go and how fast; the hash secret. */
static bool is_without_effect(const struct config_option *option)
{
	static const char *const names[] = { "read", "interface", "events", "output", "threads" };
	static const char *const groups[] = { "capture.", "stats.", "queue.", "hash." };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (option->name != NULL && strcmp(option->name, names[i]) == 0)
			return true;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (option->key != NULL && strncmp(option->key, groups[i], strlen(groups[i])) == 0)
			return true;
	return false;
}

static void put_option(FILE *text, const struct command_line_value *value)
{
	if (is_without_effect(value->option))
		return;
	if (!value->by_key) {
		fprintf(text, " --%s", value->option->name);
		put_word(text, value->text);
		return;
	}

	char word[1024];
	int length = snprintf(word, sizeof(word), "%s=%s", value->option->key, value->text);

	if (length < 0 || (size_t)length >= sizeof(word))
		return;
	fputs(" --set", text);
	put_word(text, word);
}

char *replay_command(const struct config *config, const struct command_line *line)
{
	char *command = NULL;
	size_t n_bytes;
	FILE *text = open_memstream(&command, &n_bytes);

	if (text == NULL)
		return NULL;
	fputs("tcpwitness -q", text);
	for (size_t i = 0; i < config->n_read_paths; i++) {
		fputs(" -r", text);
		put_word(text, config->read_paths[i]);
	}
	if (config->n_read_paths == 0)
		fputs(" -r " EVENT_JSON_REPLAY_FILE, text);
	for (size_t i = 0; i < line->n_values; i++)
		put_option(text, &line->values[i]);
	fputs(" --events alert", text);
	if (config->bpf_filter != NULL)
		put_word(text, config->bpf_filter);
	return fclose(text) == 0 ? command : NULL;
}

char *replay_capture(const struct config *config)
{
	char *command = NULL;
	size_t n_bytes;
	FILE *text = open_memstream(&command, &n_bytes);

	if (text == NULL)
		return NULL;
	if (config->live.interface != NULL) {
		fputs("tcpdump -i", text);
		put_word(text, config->live.interface);
		fputs(" -w " EVENT_JSON_REPLAY_FILE, text);
	}
	return fclose(text) == 0 ? command : NULL;
}
