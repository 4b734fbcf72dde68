/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "mistakes.h"

/*
 * A YAML text as nodes that know where they stand. Only what configuration needs: scalars are single lines without
 * control characters, so they can be put into messages; anchors, aliases and tags are refused (a few
 * bytes of aliases can stand for gigabytes); depth, number of nodes and size are bounded. Main thread.
 */
enum {
	YAML_TREE_MAX_BYTES = 1 << 20, /* of text */
	YAML_TREE_MAX_NODES = 16384,
	YAML_TREE_MAX_DEPTH = 8, /* of lists and mappings in each other */
};

enum yaml_kind {
	YAML_KIND_SCALAR = 0,
	YAML_KIND_LIST,
	YAML_KIND_MAPPING,
};

struct yaml_node {
	enum yaml_kind kind;
	unsigned line; /* from 1 */
	unsigned column;
	bool quoted;                 /* of a scalar */
	struct yaml_node *first;     /* of a list or mapping: its children; null = none */
	struct yaml_node *next;      /* sibling, in the order of the text */
	const struct yaml_node *key; /* of a mapping's child: the scalar that names it; else null */
	struct yaml_node *allocated_before;
	char text[]; /* of a scalar: UTF-8 without control characters */
};

struct yaml_tree {
	struct yaml_node *documents; /* roots, linked by next; empty documents are left out */
	struct yaml_node *last_allocated;
	size_t n_nodes;
};

/*
 * Reads length bytes. A key given twice in one mapping is a mistake, and its first value stays. After any other
 * mistake, which ends the reading, the tree holds the documents before it. Null only when memory is short (a mistake,
 * too).
 */
struct yaml_tree *yaml_tree_parse(const char *text, size_t length, struct mistakes *mistakes);
void yaml_tree_destroy(struct yaml_tree *tree);

/*
 * The content of the file mistakes->name, owned by the caller (free), with a final zero that is not in *length;
 * or null with a mistake added: not readable, or larger than YAML_TREE_MAX_BYTES.
 */
char *yaml_file_read(struct mistakes *mistakes, size_t *length);

/* True for a scalar without a value: "key:" with nothing behind it, or a plain null. */
bool yaml_node_is_null(const struct yaml_node *node);

/* The child of a mapping with this key, or null. */
const struct yaml_node *yaml_node_find(const struct yaml_node *mapping, const char *key);

/* "a value", "a list", "a mapping (key: value)": for messages. */
const char *yaml_kind_name(enum yaml_kind kind);
