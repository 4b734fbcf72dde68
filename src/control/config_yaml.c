/* SPDX-License-Identifier: BSD-2-Clause */
/* Decides which node of a configuration file is the value of which option. */
#include "config_yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "option_table.h"
#include "yaml_tree.h"

enum { MAX_KEY = 96, MAX_OPTIONS = 128 };

struct file_reader {
	struct config *config;
	struct mistakes *mistakes;
	unsigned given_on_line[MAX_OPTIONS]; /* by row of the table; 0 = not given yet */
};

static void set_scalar(const struct file_reader *reader, const struct config_option *option,
		       const struct yaml_node *node)
{
	struct error problem = { .text = "" };

	if (!option_set(option, reader->config, node->text, &problem))
		mistakes_add(reader->mistakes, node->line, node->column, "%s: %.300s", option->key, problem.text);
}

/* A list of event types says the same as one text with commas. */
static void set_events(const struct file_reader *reader, const struct config_option *option,
		       const struct yaml_node *list)
{
	sensor_event_mask all = 0;

	for (const struct yaml_node *child = list->first; child != NULL; child = child->next) {
		reader->config->events = 0;
		set_scalar(reader, option, child);
		all |= reader->config->events;
	}
	reader->config->events = all;
}

static void set_list(const struct file_reader *reader, const struct config_option *option, const struct yaml_node *list)
{
	if (list->first == NULL)
		mistakes_add(reader->mistakes, list->line, list->column,
			     "%s: the list is empty (give a value or remove the line)", option->key);
	for (const struct yaml_node *child = list->first; child != NULL; child = child->next) {
		if (child->kind == YAML_KIND_SCALAR)
			continue;
		mistakes_add(reader->mistakes, child->line, child->column, "%s: %s instead of a value", option->key,
			     yaml_kind_name(child->kind));
		return;
	}
	if (option->type == OPTION_EVENTS) {
		set_events(reader, option, list);
		return;
	}
	for (const struct yaml_node *child = list->first; child != NULL; child = child->next)
		set_scalar(reader, option, child);
}

static void set_option(struct file_reader *reader, const struct config_option *option, const struct yaml_node *node)
{
	unsigned *given_on_line = &reader->given_on_line[option - config_options];

	if (*given_on_line != 0) {
		mistakes_add(reader->mistakes, node->key->line, node->key->column,
			     "%s is given twice (first on line %u; keep one)", option->key, *given_on_line);
		return;
	}
	*given_on_line = node->key->line;
	if (yaml_node_is_null(node)) {
		mistakes_add(reader->mistakes, node->key->line, node->key->column,
			     "%s has no value (give one or remove the line)", option->key);
		return;
	}
	option_clear(option, reader->config);
	if (node->kind == YAML_KIND_SCALAR)
		set_scalar(reader, option, node);
	else if (node->kind == YAML_KIND_LIST && (option->type == OPTION_LIST || option->type == OPTION_EVENTS))
		set_list(reader, option, node);
	else
		mistakes_add(reader->mistakes, node->line, node->column, "%s: %s instead of a value", option->key,
			     yaml_kind_name(node->kind));
}

/* The depth of the tree bounds the recursion. NOLINTNEXTLINE(misc-no-recursion) */
static void read_mapping(struct file_reader *reader, const struct yaml_node *mapping, const char *prefix)
{
	for (const struct yaml_node *node = mapping->first; node != NULL; node = node->next) {
		const struct config_option *option;
		char key[MAX_KEY];
		char hint[128];

		snprintf(key, sizeof(key), "%s%s%s", prefix, prefix[0] == '\0' ? "" : ".", node->key->text);
		option = option_find_key(key);
		if (option != NULL)
			set_option(reader, option, node);
		else if (!option_is_group(key))
			mistakes_add(reader->mistakes, node->key->line, node->key->column, "unknown key '%s'%s", key,
				     option_suggest_key(key, hint, sizeof(hint)));
		else if (node->kind == YAML_KIND_MAPPING)
			read_mapping(reader, node, key);
		else if (!yaml_node_is_null(node)) /* a group whose lines are all comments is legal */
			mistakes_add(reader->mistakes, node->line, node->column,
				     "%s: %s instead of keys (write them below it, indented)", key,
				     yaml_kind_name(node->kind));
	}
}

void config_yaml_read_text(struct config *config, const char *text, size_t length, struct mistakes *mistakes)
{
	struct file_reader reader = { .config = config, .mistakes = mistakes };
	struct yaml_tree *tree = yaml_tree_parse(text, length, mistakes);
	const struct yaml_node *document = tree != NULL ? tree->documents : NULL;

	if (document != NULL && document->next != NULL)
		mistakes_add(mistakes, document->next->line, document->next->column,
			     "a second document (put all keys into one; remove the '---')");
	if (document != NULL && document->kind == YAML_KIND_MAPPING)
		read_mapping(&reader, document, "");
	else if (document != NULL)
		mistakes_add(mistakes, document->line, document->column, "%s instead of keys (write 'key: value')",
			     yaml_kind_name(document->kind));
	yaml_tree_destroy(tree);
}

void config_yaml_read_file(struct config *config, struct mistakes *mistakes)
{
	size_t length;
	char *text = yaml_file_read(mistakes, &length);

	if (text != NULL)
		config_yaml_read_text(config, text, length, mistakes);
	free(text);
}
