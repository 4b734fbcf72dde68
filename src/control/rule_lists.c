/* SPDX-License-Identifier: BSD-2-Clause */
/* Decides how allow lists and severities by class are written. */
#include <stdlib.h>
#include <string.h>

#include "rule_reader.h"
#include "suggestion.h"

struct rule_exceptions *rule_exceptions_of(const struct rule_reader *reader, const struct yaml_node *node)
{
	if (reader->rule->exceptions == NULL)
		reader->rule->exceptions = calloc(1, sizeof(*reader->rule->exceptions));
	if (reader->rule->exceptions == NULL)
		mistakes_add(reader->mistakes, node->line, node->column, "out of memory");
	return reader->rule->exceptions;
}

static void replace(struct rule_matcher **old, struct rule_matcher *new)
{
	rule_matcher_destroy(*old);
	*old = new;
}

void rule_allow_read(const struct rule_reader *reader, const struct yaml_node *node)
{
	struct rule_exceptions *exceptions = rule_exceptions_of(reader, node);

	if (exceptions == NULL)
		return;
	replace(&exceptions->allowed.sources, NULL);
	replace(&exceptions->allowed.targets, NULL);
	if (yaml_node_is_null(node) || !rule_node_is_mapping(node, "allow", reader->mistakes))
		return;
	for (const struct yaml_node *child = node->first; child != NULL; child = child->next) {
		const struct rule_key *key = rule_key_of(&allow_keys, child, reader->mistakes);

		if (key != NULL)
			replace(strcmp(key->name, "sources") == 0 ? &exceptions->allowed.sources
								  : &exceptions->allowed.targets,
				rule_parties_read(reader, child, key->name));
	}
}

/* The detector's own string, or null with a mistake. What has no finer class has the detector's name. */
static const char *find_class(const struct rule_reader *reader, const struct yaml_node *node)
{
	const struct detector *detector = reader->detector;
	struct suggestion suggestion;
	char hint[96];

	suggestion_init(&suggestion, node->key->text);
	if (strcmp(detector->name, node->key->text) == 0)
		return detector->name;
	suggestion_offer(&suggestion, detector->name);
	for (size_t i = 0; detector->class_names != NULL && detector->class_names[i] != NULL; i++) {
		if (strcmp(detector->class_names[i], node->key->text) == 0)
			return detector->class_names[i];
		suggestion_offer(&suggestion, detector->class_names[i]);
	}
	mistakes_add(reader->mistakes, node->key->line, node->key->column, "detector '%s' has no class '%.64s'%s",
		     detector->name, node->key->text, suggestion_text(&suggestion, hint, sizeof(hint)));
	return NULL;
}

void rule_severity_map_read(const struct rule_reader *reader, const struct yaml_node *node)
{
	static const struct value_range range = { 1, 3 };
	struct rule_exceptions *exceptions = rule_exceptions_of(reader, node);
	size_t n = 0;

	if (exceptions == NULL)
		return;
	free(exceptions->class_severities);
	exceptions->class_severities = NULL;
	exceptions->n_class_severities = 0;
	if (yaml_node_is_null(node) || !rule_node_is_mapping(node, "severity_map", reader->mistakes))
		return;
	for (const struct yaml_node *child = node->first; child != NULL; child = child->next)
		n++;
	exceptions->class_severities = calloc(n + 1, sizeof(*exceptions->class_severities));
	if (exceptions->class_severities == NULL) {
		mistakes_add(reader->mistakes, node->line, node->column, "out of memory");
		return;
	}
	for (const struct yaml_node *child = node->first; child != NULL; child = child->next) {
		const char *class_name = find_class(reader, child);
		struct error problem = { .text = "" };
		struct value value;

		if (class_name == NULL || !rule_node_is_value(child, class_name, reader->mistakes))
			continue;
		if (!value_parse(VALUE_COUNT, range, child->text, &value, &problem)) {
			mistakes_add(reader->mistakes, child->line, child->column, "%s: %.300s", class_name,
				     problem.text);
			continue;
		}
		exceptions->class_severities[exceptions->n_class_severities++] = (struct rule_class_severity){
			.class_name = class_name,
			.severity = (uint8_t)value.integer,
		};
	}
}
