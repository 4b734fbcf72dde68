/* SPDX-License-Identifier: BSD-2-Clause */
/* Decides which values the flags, numbers, texts and parameters of a rule may take. */
#include <fnmatch.h>
#include <string.h>

#include "rule_param.h"
#include "rule_reader.h"
#include "suggestion.h"

static void refuse(const struct rule_reader *reader, const struct yaml_node *node, const char *name,
		   const char *problem)
{
	mistakes_add(reader->mistakes, node->line, node->column, "%s: %.300s", name, problem);
}

static void set_number(const struct rule_reader *reader, const struct rule_key *key, const struct yaml_node *node,
		       void *field)
{
	struct error problem = { .text = "" };
	struct value value;

	if (!value_parse(key->type == RULE_KEY_FLAG ? VALUE_FLAG : VALUE_COUNT, key->range, node->text, &value,
			 &problem)) {
		refuse(reader, node, key->name, problem.text);
		return;
	}
	if (key->bytes == sizeof(uint32_t)) {
		uint32_t number = (uint32_t)value.integer;

		memcpy(field, &number, sizeof(number));
	} else { /* a flag, or a number that fits into a byte: both have one */
		uint8_t number = (uint8_t)value.integer;

		memcpy(field, &number, sizeof(number));
	}
}

/* "T1499" or "T1499.001". */
static bool is_mitre_technique(const char *text)
{
	static const char pattern[] = "T[0-9][0-9][0-9][0-9]";
	static const char sub_pattern[] = "T[0-9][0-9][0-9][0-9].[0-9][0-9][0-9]";

	return fnmatch(pattern, text, 0) == 0 || fnmatch(sub_pattern, text, 0) == 0;
}

static void set_text(const struct rule_reader *reader, const struct rule_key *key, const struct yaml_node *node,
		     void *field)
{
	size_t length = strlen(node->text);

	if (length >= key->bytes) {
		mistakes_add(reader->mistakes, node->line, node->column, "%s: longer than %zu bytes (shorten it)",
			     key->name, key->bytes - 1);
		return;
	}
	if (key->offset == offsetof(struct rule, mitre_technique) && length > 0 && !is_mitre_technique(node->text)) {
		mistakes_add(reader->mistakes, node->line, node->column,
			     "technique: '%s' is no ATT&CK technique (use e.g. T1499 or T1499.001)", node->text);
		return;
	}
	if (key->offset == offsetof(struct rule, signature) && length == 0) {
		refuse(reader, node, key->name, "the text is empty (say what the alert means)");
		return;
	}
	memset(field, 0, key->bytes);
	memcpy(field, node->text, length);
}

void rule_value_read(const struct rule_reader *reader, const struct rule_key *key, const struct yaml_node *node,
		     void *object)
{
	void *field = (unsigned char *)object + key->offset;

	if (!rule_node_is_value(node, key->name, reader->mistakes))
		return;
	if (key->type == RULE_KEY_TEXT)
		set_text(reader, key, node, field);
	else
		set_number(reader, key, node, field);
}

static void refuse_parameter(const struct rule_reader *reader, const struct yaml_node *node)
{
	struct suggestion suggestion;
	char hint[96];

	suggestion_init(&suggestion, node->key->text);
	for (size_t i = 0; i < reader->detector->n_params; i++)
		suggestion_offer(&suggestion, reader->detector->params[i].name);
	mistakes_add(reader->mistakes, node->key->line, node->key->column, "detector '%s' has no parameter '%.64s'%s",
		     reader->detector->name, node->key->text, suggestion_text(&suggestion, hint, sizeof(hint)));
}

void rule_parameters_read(const struct rule_reader *reader, const struct yaml_node *node, void *params)
{
	if (yaml_node_is_null(node)) /* all its lines may be comments */
		return;
	if (!rule_node_is_mapping(node, "parameters", reader->mistakes))
		return;
	for (const struct yaml_node *child = node->first; child != NULL; child = child->next) {
		const struct rule_param *param = rule_param_find(reader->detector, child->key->text);
		struct error problem = { .text = "" };

		if (param == NULL)
			refuse_parameter(reader, child);
		else if (rule_node_is_value(child, param->name, reader->mistakes) &&
			 !rule_param_set(param, params, child->text, &problem))
			refuse(reader, child, param->name, problem.text);
	}
}
