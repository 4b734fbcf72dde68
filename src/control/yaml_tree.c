/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides which part of YAML 1.1 configuration and rules may use, and where each node stands. libyaml reads;
 * its event interface is used, because its document interface expands aliases and knows no bounds.
 */
#include "yaml_tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* An open list or mapping while its children are read. */
struct level {
	struct yaml_node *parent;
	struct yaml_node **tail; /* where the next child is linked */
	struct yaml_node *key;   /* of a mapping: read, its value is still to come */
	bool key_is_duplicate;   /* its value is read and left out */
};

struct reader {
	yaml_parser_t parser;
	struct yaml_tree *tree;
	struct mistakes *mistakes;
	struct yaml_node *root; /* of the present document; linked when it is complete */
	struct yaml_node **document_tail;
	struct level levels[YAML_TREE_MAX_DEPTH];
	unsigned depth;
};

static unsigned mark_line(const yaml_mark_t *mark)
{
	return (unsigned)mark->line + 1;
}

static unsigned mark_column(const yaml_mark_t *mark)
{
	return (unsigned)mark->column + 1;
}

static bool refuse(struct reader *reader, const yaml_mark_t *mark, const char *what)
{
	mistakes_add(reader->mistakes, mark_line(mark), mark_column(mark), "%s", what);
	return false;
}

static struct yaml_node *new_node(struct reader *reader, enum yaml_kind kind, const yaml_event_t *event,
				  size_t text_bytes)
{
	struct yaml_tree *tree = reader->tree;
	struct yaml_node *node;

	if (tree->n_nodes == YAML_TREE_MAX_NODES) {
		refuse(reader, &event->start_mark, "too many values in one file (split it)");
		return NULL;
	}
	node = calloc(1, sizeof(*node) + text_bytes + 1);
	if (node == NULL) {
		refuse(reader, &event->start_mark, "out of memory");
		return NULL;
	}
	node->kind = kind;
	node->line = mark_line(&event->start_mark);
	node->column = mark_column(&event->start_mark);
	node->allocated_before = tree->last_allocated;
	tree->last_allocated = node;
	tree->n_nodes++;
	return node;
}

/* Links a complete node where it belongs; for a mapping, keys and values take turns. */
static bool place(struct reader *reader, struct yaml_node *node)
{
	struct level *level;

	if (reader->depth == 0) {
		reader->root = node;
		return true;
	}
	level = &reader->levels[reader->depth - 1];
	if (level->parent->kind == YAML_KIND_MAPPING) {
		if (level->key == NULL) {
			const struct yaml_node *same;

			if (node->kind != YAML_KIND_SCALAR) {
				mistakes_add(reader->mistakes, node->line, node->column,
					     "%s cannot be a key (use a word)", yaml_kind_name(node->kind));
				return false;
			}
			same = yaml_node_find(level->parent, node->text);
			if (same != NULL)
				mistakes_add(reader->mistakes, node->line, node->column,
					     "key '%.64s' is given twice (first on line %u; keep one)", node->text,
					     same->key->line);
			level->key = node;
			level->key_is_duplicate = same != NULL;
			return true;
		}
		node->key = level->key;
		level->key = NULL;
		if (level->key_is_duplicate)
			return true;
	}
	*level->tail = node;
	level->tail = &node->next;
	return true;
}

static bool has_control_character(const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
		if (*c < 0x20 || *c == 0x7f)
			return true;
		if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f) /* U+0080 .. U+009F, which terminals obey, too */
			return true;
	}
	return false;
}

static bool read_scalar(struct reader *reader, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t length = event->data.scalar.length;
	struct yaml_node *node;

	if (event->data.scalar.anchor != NULL)
		return refuse(reader, &event->start_mark, "anchors are not supported (repeat the value)");
	if (event->data.scalar.tag != NULL)
		return refuse(reader, &event->start_mark, "tags are not supported (remove the '!')");
	if (strlen(text) != length || has_control_character(text))
		return refuse(reader, &event->start_mark,
			      "a value holds a line break or control character (write it on one line)");
	node = new_node(reader, YAML_KIND_SCALAR, event, length);
	if (node == NULL)
		return false;
	memcpy(node->text, text, length);
	node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	return place(reader, node);
}

static bool open_level(struct reader *reader, enum yaml_kind kind, const yaml_event_t *event, bool plain)
{
	struct yaml_node *node;

	if (!plain)
		return refuse(reader, &event->start_mark, "anchors and tags are not supported (repeat the value)");
	if (reader->depth == YAML_TREE_MAX_DEPTH)
		return refuse(reader, &event->start_mark,
			      "lists and mappings are nested too deep (check the indentation)");
	node = new_node(reader, kind, event, 0);
	if (node == NULL || !place(reader, node))
		return false;
	reader->levels[reader->depth++] = (struct level){ .parent = node, .tail = &node->first };
	return true;
}

static void end_document(struct reader *reader)
{
	if (!yaml_node_is_null(reader->root)) {
		*reader->document_tail = reader->root;
		reader->document_tail = &reader->root->next;
	}
}

/* Takes one event in; false ends the reading. */
static bool take_event(struct reader *reader, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return read_scalar(reader, event);
	case YAML_SEQUENCE_START_EVENT:
		return open_level(reader, YAML_KIND_LIST, event,
				  event->data.sequence_start.anchor == NULL && event->data.sequence_start.tag == NULL);
	case YAML_MAPPING_START_EVENT:
		return open_level(reader, YAML_KIND_MAPPING, event,
				  event->data.mapping_start.anchor == NULL && event->data.mapping_start.tag == NULL);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		reader->depth--;
		return true;
	case YAML_ALIAS_EVENT:
		return refuse(reader, &event->start_mark, "aliases are not supported (repeat the value)");
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_START_EVENT:
		return true;
	case YAML_DOCUMENT_END_EVENT:
		end_document(reader);
		return true;
	}
	return true;
}

/* The reader of libyaml knows only the byte where the encoding is broken. */
static void offset_to_mark(const char *text, size_t length, size_t offset, yaml_mark_t *mark)
{
	*mark = (yaml_mark_t){ .index = offset };
	for (size_t i = 0; i < offset && i < length; i++) {
		mark->column++;
		if (text[i] == '\n') {
			mark->line++;
			mark->column = 0;
		}
	}
}

static void report_syntax(struct reader *reader, const char *text, size_t length)
{
	const yaml_parser_t *parser = &reader->parser;
	yaml_mark_t mark = parser->problem_mark;
	const char *problem = parser->problem != NULL ? parser->problem : "out of memory";

	if (parser->error == YAML_READER_ERROR) {
		offset_to_mark(text, length, parser->problem_offset, &mark);
		mistakes_add(reader->mistakes, mark_line(&mark), mark_column(&mark),
			     "not valid UTF-8 text: %s (save the file as UTF-8)", problem);
		return;
	}
	mistakes_add(reader->mistakes, mark_line(&mark), mark_column(&mark),
		     "not valid YAML: %s (check indentation, quotes and the space after ':')", problem);
}

struct yaml_tree *yaml_tree_parse(const char *text, size_t length, struct mistakes *mistakes)
{
	struct reader reader = { .tree = calloc(1, sizeof(struct yaml_tree)), .mistakes = mistakes };
	bool more = true;

	if (reader.tree == NULL || yaml_parser_initialize(&reader.parser) == 0) {
		free(reader.tree);
		mistakes_add(mistakes, 0, 0, "out of memory");
		return NULL;
	}
	reader.document_tail = &reader.tree->documents;
	yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, length);
	while (more) {
		yaml_event_t event;

		if (yaml_parser_parse(&reader.parser, &event) == 0) {
			report_syntax(&reader, text, length);
			break;
		}
		more = take_event(&reader, &event) && event.type != YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&reader.parser);
	return reader.tree;
}

void yaml_tree_destroy(struct yaml_tree *tree)
{
	if (tree == NULL)
		return;
	while (tree->last_allocated != NULL) {
		struct yaml_node *before = tree->last_allocated->allocated_before;

		free(tree->last_allocated);
		tree->last_allocated = before;
	}
	free(tree);
}

char *yaml_file_read(struct mistakes *mistakes, size_t *length)
{
	FILE *file = fopen(mistakes->name, "re");
	char *text = NULL;
	bool failed;

	if (file == NULL) {
		mistakes_add(mistakes, 0, 0, "cannot be opened: %s (check the path)", strerror(errno));
		return NULL;
	}
	text = malloc(YAML_TREE_MAX_BYTES + 1);
	if (text == NULL) {
		mistakes_add(mistakes, 0, 0, "out of memory");
		fclose(file);
		return NULL;
	}
	*length = fread(text, 1, YAML_TREE_MAX_BYTES + 1, file);
	failed = ferror(file) != 0;
	if (failed)
		mistakes_add(mistakes, 0, 0, "cannot be read: %s (check the path)", strerror(errno));
	else if (*length > YAML_TREE_MAX_BYTES)
		mistakes_add(mistakes, 0, 0, "larger than 1 MiB (split it)");
	fclose(file);
	if (failed || *length > YAML_TREE_MAX_BYTES) {
		free(text);
		return NULL;
	}
	text[*length] = '\0';
	return text;
}

bool yaml_node_is_null(const struct yaml_node *node)
{
	return node->kind == YAML_KIND_SCALAR && !node->quoted &&
	       (node->text[0] == '\0' || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}

const struct yaml_node *yaml_node_find(const struct yaml_node *mapping, const char *key)
{
	for (const struct yaml_node *child = mapping->first; child != NULL; child = child->next) {
		if (strcmp(child->key->text, key) == 0)
			return child;
	}
	return NULL;
}

const char *yaml_kind_name(enum yaml_kind kind)
{
	switch (kind) {
	case YAML_KIND_SCALAR:
		return "a value";
	case YAML_KIND_LIST:
		return "a list";
	case YAML_KIND_MAPPING:
		return "a mapping";
	}
	return "";
}
