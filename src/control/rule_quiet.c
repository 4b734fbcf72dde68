/* SPDX-License-Identifier: BSD-2-Clause */
/* Decides how quiet hours are written. */
#include <stdlib.h>
#include <string.h>

#include "rule_reader.h"
#include "suggestion.h"

enum { DAYS = 7, ALL_DAYS = (1 << DAYS) - 1, MINUTES_PER_DAY = 24 * 60, MAX_UTC_OFFSET = 14 * 60 };

static const char *const day_names[DAYS] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

static int find_day(const char *text, size_t length)
{
	for (int i = 0; i < DAYS; i++)
		if (strlen(day_names[i]) == length && strncmp(day_names[i], text, length) == 0)
			return i;
	return -1;
}

/* "mon" or "fri-mon". False with a mistake. */
static bool read_day(const struct rule_reader *reader, const struct yaml_node *node, uint8_t *days)
{
	struct suggestion suggestion;
	const char *dash;
	char hint[96];
	int first;
	int last;

	if (!rule_node_is_value(node, "days", reader->mistakes))
		return false;
	dash = strchr(node->text, '-');
	first = find_day(node->text, dash != NULL ? (size_t)(dash - node->text) : strlen(node->text));
	last = dash != NULL ? find_day(dash + 1, strlen(dash + 1)) : first;
	if (first < 0 || last < 0) {
		suggestion_init(&suggestion, node->text);
		for (size_t i = 0; i < DAYS; i++)
			suggestion_offer(&suggestion, day_names[i]);
		mistakes_add(reader->mistakes, node->line, node->column, "days: '%.64s' is no day and no range%s",
			     node->text,
			     suggestion.best != NULL ? suggestion_text(&suggestion, hint, sizeof(hint))
						     : " (use e.g. mon or mon-fri)");
		return false;
	}
	*days |= (uint8_t)(1 << last);
	for (int day = first; day != last; day = (day + 1) % DAYS)
		*days |= (uint8_t)(1 << day);
	return true;
}

static void read_days(const struct rule_reader *reader, const struct yaml_node *node, uint8_t *days)
{
	*days = 0;
	if (node->kind != YAML_KIND_LIST) {
		read_day(reader, node, days);
		return;
	}
	if (node->first == NULL)
		mistakes_add(reader->mistakes, node->line, node->column,
			     "days: the list is empty (fill it or remove the line)");
	for (const struct yaml_node *item = node->first; item != NULL; item = item->next)
		read_day(reader, item, days);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "HH:MM", up to 24:00; -1 = it is none. */
static int parse_clock(const char *text)
{
	int hour;
	int minute;

	if (strlen(text) != 5 || !is_digit(text[0]) || !is_digit(text[1]) || text[2] != ':' || !is_digit(text[3]) ||
	    !is_digit(text[4]))
		return -1;
	hour = 10 * (text[0] - '0') + (text[1] - '0');
	minute = 10 * (text[3] - '0') + (text[4] - '0');
	return minute > 59 || hour * 60 + minute > MINUTES_PER_DAY ? -1 : hour * 60 + minute;
}

/* False with a mistake. */
static bool read_time(const struct rule_reader *reader, const struct yaml_node *node, const char *name, int last,
		      uint16_t *minute)
{
	int value;

	if (!rule_node_is_value(node, name, reader->mistakes))
		return false;
	value = parse_clock(node->text);
	if (value < 0 || value > last) {
		mistakes_add(reader->mistakes, node->line, node->column,
			     "%s: '%.64s' is no time of the day (use 00:00 to %s)", name, node->text,
			     last == MINUTES_PER_DAY ? "24:00" : "23:59");
		return false;
	}
	*minute = (uint16_t)value;
	return true;
}

static void read_utc_offset(const struct rule_reader *reader, const struct yaml_node *node, int16_t *minutes)
{
	int value = -1;

	if (!rule_node_is_value(node, "utc_offset", reader->mistakes))
		return;
	if (node->text[0] == '+' || node->text[0] == '-')
		value = parse_clock(node->text + 1);
	if (value < 0 || value > MAX_UTC_OFFSET) {
		mistakes_add(reader->mistakes, node->line, node->column,
			     "utc_offset: '%.64s' is no offset from UTC (use -14:00 to +14:00)", node->text);
		return;
	}
	*minutes = (int16_t)(node->text[0] == '-' ? -value : value);
}

static void read_hours(const struct rule_reader *reader, const struct yaml_node *entry, struct rule_quiet *quiet)
{
	const struct yaml_node *from = yaml_node_find(entry, "from");
	const struct yaml_node *to = yaml_node_find(entry, "to");

	quiet->from_minute = 0;
	quiet->to_minute = MINUTES_PER_DAY;
	if (from == NULL && to == NULL)
		return;
	if (from == NULL || to == NULL) {
		mistakes_add(reader->mistakes, entry->line, entry->column, "the window has no '%s' (add it)",
			     from == NULL ? "from" : "to");
		return;
	}
	/* Each is read, so that both mistakes are told. */
	bool is_good = read_time(reader, from, "from", MINUTES_PER_DAY - 1, &quiet->from_minute);
	is_good = read_time(reader, to, "to", MINUTES_PER_DAY, &quiet->to_minute) && is_good;
	if (is_good && quiet->from_minute == quiet->to_minute)
		mistakes_add(reader->mistakes, to->line, to->column,
			     "to: the window is empty (for whole days leave out from and to)");
}

static void read_keys(const struct rule_reader *reader, const struct yaml_node *entry, struct rule_quiet *quiet)
{
	for (const struct yaml_node *child = entry->first; child != NULL; child = child->next) {
		const struct rule_key *key = rule_key_of(&quiet_keys, child, reader->mistakes);

		if (key == NULL)
			continue;
		if (key->type == RULE_KEY_DAYS) {
			read_days(reader, child, &quiet->days);
		} else if (key->type == RULE_KEY_UTC_OFFSET) {
			read_utc_offset(reader, child, &quiet->utc_offset_minutes);
		} else if (key->type == RULE_KEY_PARTIES) {
			quiet->is_for_all = false;
			*(strcmp(key->name, "targets") == 0 ? &quiet->parties.targets : &quiet->parties.sources) =
				rule_parties_read(reader, child, key->name);
		}
	}
}

static void read_entry(const struct rule_reader *reader, const struct yaml_node *entry,
		       struct rule_exceptions *exceptions)
{
	struct rule_quiet *quiet = &exceptions->quiet[exceptions->n_quiet];
	unsigned n_before = reader->mistakes->n;

	if (!rule_node_is_mapping(entry, "an entry of quiet", reader->mistakes))
		return;
	exceptions->n_quiet++;
	*quiet = (struct rule_quiet){ .days = ALL_DAYS, .is_for_all = true };
	read_keys(reader, entry, quiet);
	read_hours(reader, entry, quiet);
	if (reader->mistakes->n == n_before && quiet->is_for_all && quiet->days == ALL_DAYS &&
	    quiet->from_minute == 0 && quiet->to_minute == MINUTES_PER_DAY)
		mistakes_add(reader->mistakes, entry->line, entry->column,
			     "the window is always, and for all (narrow it, or write 'enabled: false')");
}

static void forget(struct rule_exceptions *exceptions)
{
	for (size_t i = 0; i < exceptions->n_quiet; i++) {
		rule_matcher_destroy(exceptions->quiet[i].parties.targets);
		rule_matcher_destroy(exceptions->quiet[i].parties.sources);
	}
	free(exceptions->quiet);
	exceptions->quiet = NULL;
	exceptions->n_quiet = 0;
}

void rule_quiet_read(const struct rule_reader *reader, const struct yaml_node *node)
{
	struct rule_exceptions *exceptions = rule_exceptions_of(reader, node);
	size_t n = 0;

	if (exceptions == NULL)
		return;
	forget(exceptions);
	if (yaml_node_is_null(node) || !rule_node_is_list(node, "quiet", reader->mistakes))
		return;
	for (const struct yaml_node *entry = node->first; entry != NULL; entry = entry->next)
		n++;
	exceptions->quiet = calloc(n + 1, sizeof(*exceptions->quiet));
	if (exceptions->quiet == NULL) {
		mistakes_add(reader->mistakes, node->line, node->column, "out of memory");
		return;
	}
	for (const struct yaml_node *entry = node->first; entry != NULL; entry = entry->next)
		read_entry(reader, entry, exceptions);
}
