/* SPDX-License-Identifier: BSD-2-Clause */
/* Decides how a text becomes a field of struct config, and a field a text, by the type in the option's row. */
#include "option_table.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "string_pool.h"
#include "suggestion.h"

static const char *const checksum_names[] = {
	[CHECKSUM_MODE_AUTO] = "auto",
	[CHECKSUM_MODE_ON] = "on",
	[CHECKSUM_MODE_OFF] = "off",
};

enum { N_CHECKSUM_NAMES = sizeof(checksum_names) / sizeof(checksum_names[0]) };

static void *field(const struct config_option *option, struct config *config)
{
	return (unsigned char *)config + option->offset;
}

static const void *const_field(const struct config_option *option, const struct config *config)
{
	return (const unsigned char *)config + option->offset;
}

static size_t *list_count(const struct config_option *option, struct config *config)
{
	void *count = (unsigned char *)config + option->count_offset;

	return count;
}

/* Ranges in the table are never wider than the field. */
static void store_integer(void *to, size_t bytes, uint64_t value)
{
	uint8_t u8 = (uint8_t)value;
	uint16_t u16 = (uint16_t)value;
	uint32_t u32 = (uint32_t)value;

	switch (bytes) {
	case sizeof(u8):
		memcpy(to, &u8, bytes);
		break;
	case sizeof(u16):
		memcpy(to, &u16, bytes);
		break;
	case sizeof(u32):
		memcpy(to, &u32, bytes);
		break;
	default:
		assert(bytes == sizeof(value));
		memcpy(to, &value, bytes);
		break;
	}
}

static uint64_t load_integer(const void *from, size_t bytes)
{
	uint64_t value = 0;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;

	switch (bytes) {
	case sizeof(u8):
		memcpy(&u8, from, bytes);
		return u8;
	case sizeof(u16):
		memcpy(&u16, from, bytes);
		return u16;
	case sizeof(u32):
		memcpy(&u32, from, bytes);
		return u32;
	default:
		assert(bytes == sizeof(value));
		memcpy(&value, from, bytes);
		return value;
	}
}

static bool set_value(const struct config_option *option, struct config *config, const char *text,
		      struct error *problem)
{
	struct value value;
	bool flag;

	if (!value_parse((enum value_type)option->type, option->range, text, &value, problem))
		return false;
	flag = value.integer != 0;
	if (option->type == OPTION_FLAG)
		memcpy(field(option, config), &flag, sizeof(flag));
	else if (option->type == OPTION_RATIO)
		memcpy(field(option, config), &value.real, sizeof(value.real));
	else
		store_integer(field(option, config), option->bytes, value.integer);
	return true;
}

/* A copy of a text that must not be empty, or null with *problem filled. */
static const char *copy_text(struct config *config, const char *text, struct error *problem)
{
	const char *copy;

	if (text[0] == '\0') {
		error_set(problem, "the value is empty (give one)");
		return NULL;
	}
	copy = string_pool_copy(config->strings, text);
	if (copy == NULL)
		error_set(problem, "out of memory");
	return copy;
}

static bool set_string(const struct config_option *option, struct config *config, const char *text,
		       struct error *problem)
{
	const char *copy = copy_text(config, text, problem);

	if (copy != NULL)
		memcpy(field(option, config), &copy, sizeof(copy));
	return copy != NULL;
}

static bool append(const struct config_option *option, struct config *config, const char *text, struct error *problem)
{
	size_t *n = list_count(option, config);
	const char *copy;

	if (*n == CONFIG_MAX_PATHS) {
		error_set(problem, "more than %d values (use fewer)", CONFIG_MAX_PATHS);
		return false;
	}
	copy = copy_text(config, text, problem);
	if (copy == NULL)
		return false;
	memcpy((unsigned char *)field(option, config) + *n * sizeof(copy), &copy, sizeof(copy));
	(*n)++;
	return true;
}

static bool event_bit(const char *name, size_t length, sensor_event_mask *bit)
{
	for (int type = 0; type < EVENT_TYPE_COUNT; type++) {
		const char *known = sensor_event_type_name((enum sensor_event_type)type);

		if (strlen(known) == length && memcmp(known, name, length) == 0) {
			*bit = UINT32_C(1) << type;
			return true;
		}
	}
	return false;
}

static bool refuse_event(const char *name, size_t length, struct error *problem)
{
	char word[32];
	char hint[80];
	struct suggestion suggestion;

	snprintf(word, sizeof(word), "%.*s", (int)(length < sizeof(word) ? length : sizeof(word)), name);
	suggestion_init(&suggestion, word);
	for (int type = 0; type < EVENT_TYPE_COUNT; type++)
		suggestion_offer(&suggestion, sensor_event_type_name((enum sensor_event_type)type));
	if (suggestion.best == NULL)
		snprintf(hint, sizeof(hint), " (use alert, flow, anomaly, tcp_state, stats or summary)");
	else
		suggestion_text(&suggestion, hint, sizeof(hint));
	error_set(problem, "'%s' is no type of event%s", word, hint);
	return false;
}

static bool set_events(struct config *config, const char *text, struct error *problem)
{
	sensor_event_mask mask = 0;

	for (;;) {
		size_t length = strcspn(text, ",");
		sensor_event_mask bit;

		if (!event_bit(text, length, &bit))
			return refuse_event(text, length, problem);
		mask |= bit;
		if (text[length] == '\0')
			break;
		text += length + 1;
	}
	config->events = mask;
	return true;
}

static bool set_checksum(struct config *config, const char *text, struct error *problem)
{
	for (int mode = 0; mode < N_CHECKSUM_NAMES; mode++) {
		if (strcmp(text, checksum_names[mode]) == 0) {
			config->pipeline.decoder.checksum = (enum checksum_mode)mode;
			return true;
		}
	}
	error_set(problem, "'%.64s' is no mode (use auto, on or off)", text);
	return false;
}

static bool set_seed(struct config *config, const char *text, struct error *problem)
{
	struct value_range any = { 0, 18446744073709551616.0 };
	struct value value = { .integer = 0 };
	bool is_random = strcmp(text, "random") == 0;

	if (!is_random && !value_parse(VALUE_COUNT, any, text, &value, NULL)) {
		error_set(problem, "'%.64s' is no seed (use a whole number, or random)", text);
		return false;
	}
	config->seed_given = !is_random;
	config->seed = value.integer;
	return true;
}

bool option_set(const struct config_option *option, struct config *config, const char *text, struct error *problem)
{
	switch (option->type) {
	case OPTION_FLAG:
	case OPTION_COUNT:
	case OPTION_SIZE:
	case OPTION_DURATION:
	case OPTION_RATIO:
		return set_value(option, config, text, problem);
	case OPTION_STRING:
		return set_string(option, config, text, problem);
	case OPTION_LIST:
		return append(option, config, text, problem);
	case OPTION_EVENTS:
		return set_events(config, text, problem);
	case OPTION_CHECKSUM:
		return set_checksum(config, text, problem);
	case OPTION_SEED:
		return set_seed(config, text, problem);
	case OPTION_HELP:
	case OPTION_VERSION:
	case OPTION_QUIET:
	case OPTION_VERBOSE:
	case OPTION_SET:
		break;
	}
	return true;
}

void option_clear(const struct config_option *option, struct config *config)
{
	if (option->type == OPTION_LIST)
		*list_count(option, config) = 0;
}

static void format_events(sensor_event_mask mask, char text[static OPTION_TEXT_BYTES])
{
	size_t used = 0;

	text[0] = '\0';
	for (int type = 0; type < EVENT_TYPE_COUNT; type++) {
		if ((mask & UINT32_C(1) << type) == 0)
			continue;
		used += (size_t)snprintf(text + used, OPTION_TEXT_BYTES - used, "%s%s", used == 0 ? "" : ",",
					 sensor_event_type_name((enum sensor_event_type)type));
	}
}

static void format_value(const struct config_option *option, const struct config *config, char *text)
{
	struct value value = { .integer = 0 };
	bool flag;

	if (option->type == OPTION_FLAG) {
		memcpy(&flag, const_field(option, config), sizeof(flag));
		value.integer = flag;
	} else if (option->type == OPTION_RATIO) {
		memcpy(&value.real, const_field(option, config), sizeof(value.real));
	} else {
		value.integer = load_integer(const_field(option, config), option->bytes);
	}
	value_format((enum value_type)option->type, &value, text);
}

const char *option_format(const struct config_option *option, const struct config *config,
			  char text[static OPTION_TEXT_BYTES])
{
	const char *string;

	text[0] = '\0';
	switch (option->type) {
	case OPTION_FLAG:
	case OPTION_COUNT:
	case OPTION_SIZE:
	case OPTION_DURATION:
	case OPTION_RATIO:
		format_value(option, config, text);
		break;
	case OPTION_STRING:
		memcpy(&string, const_field(option, config), sizeof(string));
		if (string != NULL)
			snprintf(text, OPTION_TEXT_BYTES, "%s", string);
		break;
	case OPTION_EVENTS:
		format_events(config->events, text);
		break;
	case OPTION_CHECKSUM:
		snprintf(text, OPTION_TEXT_BYTES, "%s", checksum_names[config->pipeline.decoder.checksum]);
		break;
	case OPTION_SEED:
		if (config->seed_given)
			snprintf(text, OPTION_TEXT_BYTES, "%" PRIu64, config->seed);
		break;
	case OPTION_LIST:
	case OPTION_HELP:
	case OPTION_VERSION:
	case OPTION_QUIET:
	case OPTION_VERBOSE:
	case OPTION_SET:
		break;
	}
	return text;
}
