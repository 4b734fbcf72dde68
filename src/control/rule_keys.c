/* SPDX-License-Identifier: BSD-2-Clause */
/* Decides which keys there are in rule files, and what the manual says of them. */
#include "rule_keys.h"

#include <string.h>

#include "suggestion.h"
#include "tcpwitness/detect/rule_exceptions.h"
#include "tcpwitness/detect/ruleset.h"

#define FIELD(member) .offset = offsetof(struct rule, member), .bytes = sizeof(((struct rule *)0)->member)
#define OVERRIDE_FIELD(member) \
	.offset = offsetof(struct rule_override, member), .bytes = sizeof(((struct rule_override *)0)->member)
#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* clang-format off */
static const struct rule_key of_rule[] = {
	{ .name = "detector", .type = RULE_KEY_DETECTOR, .values = "a name",
	  .text = "The detector that the rule is about. It must be there; all other keys may be left out." },
	{ .name = "enabled", .type = RULE_KEY_FLAG, FIELD(enabled), .values = "true or false",
	  .text = "Whether the detector runs. With false, it still does for what an entry of overrides enables." },
	{ .name = "severity", .type = RULE_KEY_NUMBER, FIELD(severity), .range = { 1, 3 }, .values = "1 to 3",
	  .text = "1 (act now), 2 (look today) or 3 (for information). With the default, the detector itself makes "
		  "it lower or higher for worse and lesser cases; any other value holds for all of its alarms." },
	{ .name = "severity_map", .type = RULE_KEY_SEVERITY_MAP, .values = "class: 1 to 3",
	  .text = "A group of classes of the detector, as in detection.class, each with the severity of its "
		  "alarms. It counts more than severity." },
	{ .name = "signature", .type = RULE_KEY_TEXT, FIELD(signature), .values = "a text",
	  .text = "The alarm's name in one line, for alert.signature." },
	{ .name = "category", .type = RULE_KEY_TEXT, FIELD(category), .values = "a text",
	  .text = "For alert.category." },
	{ .name = "signature_id", .type = RULE_KEY_NUMBER, FIELD(signature_id), .range = { 1, 4294967295.0 },
	  .values = "a number", .text = "The number by which others know the alarm. No two rules share one." },
	{ .name = "rev", .type = RULE_KEY_NUMBER, FIELD(rev), .range = { 1, 4294967295.0 }, .values = "a number",
	  .text = "The revision of the rule." },
	{ .name = "mitre", .type = RULE_KEY_MITRE, .values = "a group",
	  .text = "What the alarm is in MITRE ATT&CK." },
	{ .name = "parameters", .type = RULE_KEY_PARAMETERS, .values = "a group",
	  .text = "The thresholds by which the detector decides. Each detector has its own, listed below." },
	{ .name = "overrides", .type = RULE_KEY_OVERRIDES, .values = "a list",
	  .text = "What is to be different for some addresses and ports." },
	{ .name = "allow", .type = RULE_KEY_ALLOW, .values = "a group",
	  .text = "For whom the detector is silent, always." },
	{ .name = "quiet", .type = RULE_KEY_QUIET, .values = "a list",
	  .text = "When the detector is silent, every week." },
	{ .name = "sets", .type = RULE_KEY_SETS, .values = "a group",
	  .text = "Names for groups of addresses. They belong to no detector, hold in all rule files, and may stand in "
		  "a document of their own, without detector." },
};

static const struct rule_key of_mitre[] = {
	{ .name = "technique", .type = RULE_KEY_TEXT, FIELD(mitre_technique), .values = "a technique",
	  .text = "Such as T1499 or T1499.001; an empty text for none." },
	{ .name = "tactic", .type = RULE_KEY_TEXT, FIELD(mitre_tactic), .values = "a text",
	  .text = "Such as Impact." },
};

#define WHOM                                                                                                     \
	{ .name = "address", .type = RULE_KEY_ADDRESS, .values = "addresses",                                    \
	  .text = "An address or the name of a set, or a list of such." },                                       \
	{ .name = "prefix", .type = RULE_KEY_PREFIX, .values = "prefixes",                                       \
	  .text = "A prefix such as 192.0.2.0/24 or 2001:db8::/32, or a list of such." },                        \
	{ .name = "set", .type = RULE_KEY_SET, .values = "names",                                                \
	  .text = "The name of a set, or a list of names." },                                                    \
	{ .name = "port", .type = RULE_KEY_PORT, .values = "ports",                                              \
	  .text = "The target's port, a range such as 8000-8099, or a list of such. "                            \
		  "An alarm about a whole host or prefix has no port, and matches only entries without one." }

static const struct rule_key of_party[] = { WHOM };

static const struct rule_key of_override[] = {
	WHOM,
	{ .name = "parameters", .type = RULE_KEY_PARAMETERS, .values = "a group",
	  .text = "As in the rule. What the entry does not name is as in the rule." },
	{ .name = "enabled", .type = RULE_KEY_FLAG, OVERRIDE_FIELD(enabled), .values = "true or false",
	  .text = "Whether alarms about these are raised, whatever the rule says." },
	{ .name = "severity", .type = RULE_KEY_NUMBER, OVERRIDE_FIELD(severity), .range = { 1, 3 },
	  .values = "1 to 3", .text = "Of all alarms about these. It counts more than severity_map." },
};

static const struct rule_key of_allow[] = {
	{ .name = "sources", .type = RULE_KEY_PARTIES, .values = "a list",
	  .text = "The detector is silent about what comes from these." },
	{ .name = "targets", .type = RULE_KEY_PARTIES, .values = "a list",
	  .text = "The detector is silent about what is aimed at these." },
};

static const struct rule_key of_quiet[] = {
	{ .name = "days", .type = RULE_KEY_DAYS, .values = "days",
	  .text = "Days on which the window begins: mon, tue, wed, thu, fri, sat, sun, a range such as mon-fri, or a "
		  "list of such. Every day when left out." },
	{ .name = "from", .type = RULE_KEY_TIME, .values = "00:00 to 23:59",
	  .text = "When it begins. Left out together with to, it lasts the whole day." },
	{ .name = "to", .type = RULE_KEY_TIME, .values = "00:00 to 24:00",
	  .text = "When it ends; if this is before from, on the next day." },
	{ .name = "utc_offset", .type = RULE_KEY_UTC_OFFSET, .values = "-14:00 to +14:00",
	  .text = "Of the clock that days and times are read on, such as +01:00. UTC when left out. It is fixed: "
		  "summer time is not known." },
	{ .name = "targets", .type = RULE_KEY_PARTIES, .values = "a list",
	  .text = "Only for what is aimed at these. Without targets and sources, for all." },
	{ .name = "sources", .type = RULE_KEY_PARTIES, .values = "a list",
	  .text = "Only for what comes from these. With targets, too: for what either of them names." },
};
/* clang-format on */

const struct rule_key_group rule_keys = { "a rule", of_rule, N_ELEMENTS(of_rule) };
const struct rule_key_group mitre_keys = { "mitre", of_mitre, N_ELEMENTS(of_mitre) };
const struct rule_key_group override_keys = { "an entry of overrides", of_override, N_ELEMENTS(of_override) };
const struct rule_key_group party_keys = { "an entry of a list", of_party, N_ELEMENTS(of_party) };
const struct rule_key_group allow_keys = { "allow", of_allow, N_ELEMENTS(of_allow) };
const struct rule_key_group quiet_keys = { "an entry of quiet", of_quiet, N_ELEMENTS(of_quiet) };

const struct rule_key *rule_key_of(const struct rule_key_group *group, const struct yaml_node *node,
				   struct mistakes *mistakes)
{
	struct suggestion suggestion;
	char hint[96];

	for (size_t i = 0; i < group->n_keys; i++)
		if (strcmp(group->keys[i].name, node->key->text) == 0)
			return &group->keys[i];
	suggestion_init(&suggestion, node->key->text);
	for (size_t i = 0; i < group->n_keys; i++)
		suggestion_offer(&suggestion, group->keys[i].name);
	mistakes_add(mistakes, node->key->line, node->key->column, "unknown key '%.64s'%s", node->key->text,
		     suggestion_text(&suggestion, hint, sizeof(hint)));
	return NULL;
}

bool rule_node_is_value(const struct yaml_node *node, const char *name, struct mistakes *mistakes)
{
	if (yaml_node_is_null(node)) {
		const struct yaml_node *place = node->key != NULL ? node->key : node;

		mistakes_add(mistakes, place->line, place->column, "%s has no value (give one or remove the line)",
			     name);
		return false;
	}
	if (node->kind != YAML_KIND_SCALAR) {
		mistakes_add(mistakes, node->line, node->column, "%s: %s instead of a value", name,
			     yaml_kind_name(node->kind));
		return false;
	}
	return true;
}

bool rule_node_is_mapping(const struct yaml_node *node, const char *name, struct mistakes *mistakes)
{
	if (node->kind == YAML_KIND_MAPPING)
		return true;
	mistakes_add(mistakes, node->line, node->column,
		     "%s: %s instead of keys (write 'key: value' below it, indented)", name,
		     yaml_kind_name(node->kind));
	return false;
}

bool rule_node_is_list(const struct yaml_node *node, const char *name, struct mistakes *mistakes)
{
	if (node->kind == YAML_KIND_LIST)
		return true;
	mistakes_add(mistakes, node->line, node->column, "%s: %s instead of a list (begin each entry with '- ')", name,
		     yaml_kind_name(node->kind));
	return false;
}
