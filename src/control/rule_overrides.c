/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides how overrides are written, and which of them make no sense. Each gets a complete parameter struct: the rule's
 * with its own values on top, never those of another entry, so what holds for a target can be read off one entry.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rule_param.h"
#include "rule_reader.h"

/* The entries while they are read. */
struct draft {
	const struct rule_reader *reader;
	const struct yaml_node **entries; /* by index of the override */
	bool *clashed;                    /* told already */
	struct match_rows rows;
	struct rule_exceptions *exceptions;
};

_Static_assert(YAML_TREE_MAX_NODES <= UINT16_MAX, "an override's index fits into a row's value");

static bool is_on(const struct rule *rule)
{
	return rule->enabled && !rule->is_off_elsewhere;
}

static void forget(struct rule *rule)
{
	struct rule_exceptions *exceptions = rule->exceptions;

	for (size_t i = 0; i < exceptions->n_overrides; i++)
		free(exceptions->overrides[i].params);
	free(exceptions->overrides);
	rule_matcher_destroy(exceptions->override_matcher);
	exceptions->overrides = NULL;
	exceptions->n_overrides = 0;
	exceptions->override_matcher = NULL;
	rule->enabled = is_on(rule);
	rule->is_off_elsewhere = false;
}

static void read_parameters(const struct rule_reader *reader, const struct yaml_node *node,
			    struct rule_override *override)
{
	override->params = malloc(reader->detector->params_bytes);
	if (override->params == NULL) {
		mistakes_add(reader->mistakes, node->line, node->column, "out of memory");
		return;
	}
	memcpy(override->params, reader->rule->params, reader->detector->params_bytes);
	rule_parameters_read(reader, node, override->params);
}

/* The keys of an entry; false when one of them is wrong in a way that leaves unclear what it is about. */
static void read_keys(const struct rule_reader *reader, const struct yaml_node *entry, struct rule_override *override)
{
	for (const struct yaml_node *child = entry->first; child != NULL; child = child->next) {
		const struct rule_key *key = rule_key_of(&override_keys, child, reader->mistakes);

		if (key == NULL)
			continue;
		if (key->type == RULE_KEY_PARAMETERS)
			read_parameters(reader, child, override);
		else if (key->type == RULE_KEY_FLAG || key->type == RULE_KEY_NUMBER)
			rule_value_read(reader, key, child, override);
	}
}

static void read_entry(struct draft *draft, const struct yaml_node *entry)
{
	struct rule_exceptions *exceptions = draft->exceptions;
	size_t index = exceptions->n_overrides;
	struct rule_override *override = &exceptions->overrides[index];

	if (!rule_node_is_mapping(entry, "an entry of overrides", draft->reader->mistakes))
		return;
	*override = (struct rule_override){ .enabled = is_on(draft->reader->rule) };
	read_keys(draft->reader, entry, override);
	rule_whom_read(draft->reader, entry, (uint16_t)index, &draft->rows);
	draft->entries[index] = entry;
	exceptions->n_overrides++;
}

/* "10.0.0.0/8 port 443", "all addresses port 80-90". */
static void format_row(const struct rule_match_row *row, char *text, size_t text_bytes)
{
	char address[IP_ADDR_TEXT_BYTES] = "all addresses";
	char port[24] = "";

	if (row->prefix.ip.version != 0)
		ip_prefix_format(&row->prefix, address);
	if (row->has_ports && row->port_first == row->port_last)
		snprintf(port, sizeof(port), " port %u", row->port_first);
	else if (row->has_ports)
		snprintf(port, sizeof(port), " port %u-%u", row->port_first, row->port_last);
	snprintf(text, text_bytes, "%s%s", address, port);
}

static void tell_clash(void *context, const struct rule_match_row *kept, const struct rule_match_row *refused)
{
	struct draft *draft = context;
	struct rule_match_row common = *refused;
	const struct yaml_node *entry = draft->entries[refused->value];
	char about[96];

	if (draft->clashed[refused->value])
		return;
	draft->clashed[refused->value] = true;
	if (kept->has_ports && kept->port_first > common.port_first)
		common.port_first = kept->port_first;
	if (kept->has_ports && kept->port_last < common.port_last)
		common.port_last = kept->port_last;
	format_row(&common, about, sizeof(about));
	mistakes_add(draft->reader->mistakes, entry->line, entry->column,
		     "this override and the one on line %u are both about %s (remove one, or make one more specific)",
		     draft->entries[kept->value]->line, about);
}

/* As if it were not there: nothing differs from the rule, and no less specific entry does either. */
static bool is_without_effect(const struct draft *draft, size_t index)
{
	const struct rule_override *override = &draft->exceptions->overrides[index];
	const struct detector *detector = draft->reader->detector;

	if (override->severity != 0 || override->enabled != is_on(draft->reader->rule))
		return false;
	for (size_t i = 0; override->params != NULL && i < detector->n_params; i++)
		if (!rule_param_is_equal(&detector->params[i], override->params, draft->reader->rule->params))
			return false;
	for (size_t i = 0; i < draft->rows.n; i++)
		if (draft->rows.rows[i].value == index &&
		    rule_matcher_covers(draft->exceptions->override_matcher, &draft->rows.rows[i]))
			return false;
	return true;
}

static void finish(struct draft *draft)
{
	struct mistakes *mistakes = draft->reader->mistakes;
	struct rule_exceptions *exceptions = draft->exceptions;
	unsigned n_before = mistakes->n;

	exceptions->override_matcher = rule_matcher_create(draft->rows.rows, draft->rows.n, tell_clash, draft);
	if (exceptions->override_matcher == NULL) {
		mistakes_add(mistakes, 0, 0, "out of memory");
		return;
	}
	if (mistakes->n > n_before)
		return;
	for (size_t i = 0; i < exceptions->n_overrides; i++)
		if (is_without_effect(draft, i))
			mistakes_add(mistakes, draft->entries[i]->line, draft->entries[i]->column,
				     "this override changes nothing (give it other parameters, enabled or severity, or "
				     "remove it)");
}

/* An entry that enables a detector that is off makes it run, for this entry. */
static void turn_on_for_some(struct rule *rule)
{
	const struct rule_exceptions *exceptions = rule->exceptions;

	for (size_t i = 0; !rule->enabled && i < exceptions->n_overrides; i++)
		if (exceptions->overrides[i].enabled)
			rule->enabled = rule->is_off_elsewhere = true;
}

void rule_overrides_read(const struct rule_reader *reader, const struct yaml_node *node)
{
	struct draft draft = { .reader = reader, .exceptions = rule_exceptions_of(reader, node) };
	unsigned n_before = reader->mistakes->n;
	size_t n = 0;

	if (draft.exceptions == NULL)
		return;
	forget(reader->rule);
	if (yaml_node_is_null(node) || !rule_node_is_list(node, "overrides", reader->mistakes))
		return;
	for (const struct yaml_node *entry = node->first; entry != NULL; entry = entry->next)
		n++;
	draft.entries = calloc(n + 1, sizeof(*draft.entries)); /* NOLINT(bugprone-sizeof-expression) */
	draft.clashed = calloc(n + 1, sizeof(*draft.clashed));
	draft.exceptions->overrides = calloc(n + 1, sizeof(*draft.exceptions->overrides));
	if (draft.entries == NULL || draft.clashed == NULL || draft.exceptions->overrides == NULL) {
		mistakes_add(reader->mistakes, node->line, node->column, "out of memory");
	} else {
		for (const struct yaml_node *entry = node->first; entry != NULL; entry = entry->next)
			read_entry(&draft, entry);
		if (reader->mistakes->n == n_before) /* else clashes and the like may only follow from them */
			finish(&draft);
		turn_on_for_some(reader->rule);
	}
	free(draft.entries);
	free(draft.clashed);
	free(draft.rows.rows);
}
