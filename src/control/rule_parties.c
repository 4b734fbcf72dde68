/* SPDX-License-Identifier: BSD-2-Clause */
/* Decides how rules say whom something is about: addresses, prefixes, sets, and ports. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rule_reader.h"

enum { MAX_ROWS = 65536 };

struct port_range {
	uint16_t first;
	uint16_t last;
};

struct port_list {
	struct port_range *ranges;
	size_t n;
};

/* One number, 1 .. 65535, up to the end or to stop. Returns the rest, or null. */
static const char *parse_port(const char *text, char stop, uint16_t *port)
{
	size_t length = strspn(text, "0123456789");
	unsigned value = 0;

	if (length == 0 || length > 5 || (text[length] != '\0' && text[length] != stop))
		return NULL;
	for (size_t i = 0; i < length; i++)
		value = value * 10 + (unsigned)(text[i] - '0');
	*port = (uint16_t)value;
	return value >= 1 && value <= 65535 ? text + length : NULL;
}

static bool read_port(const struct rule_reader *reader, const struct yaml_node *node, struct port_range *range)
{
	const char *rest;

	if (!rule_node_is_value(node, "port", reader->mistakes))
		return false;
	rest = parse_port(node->text, '-', &range->first);
	range->last = range->first;
	if (rest != NULL && *rest == '-')
		rest = parse_port(rest + 1, '\0', &range->last);
	if (rest == NULL) {
		mistakes_add(reader->mistakes, node->line, node->column,
			     "port: '%.64s' is no port and no range (use e.g. 443 or 8000-8099)", node->text);
		return false;
	}
	if (range->first > range->last) {
		mistakes_add(reader->mistakes, node->line, node->column, "port: '%.64s' is empty (write %u-%u)",
			     node->text, range->last, range->first);
		return false;
	}
	return true;
}

static size_t count_items(const struct yaml_node *node)
{
	size_t n = 0;

	if (node->kind != YAML_KIND_LIST)
		return 1;
	for (const struct yaml_node *child = node->first; child != NULL; child = child->next)
		n++;
	return n;
}

/* The items of a list, or the one value that stands for a list of one. */
static const struct yaml_node *first_item(const struct yaml_node *node)
{
	return node->kind == YAML_KIND_LIST ? node->first : node;
}

static const struct yaml_node *next_item(const struct yaml_node *list, const struct yaml_node *item)
{
	return item == list ? NULL : item->next;
}

/* An empty list names nobody, which nobody means. */
static bool is_empty(const struct rule_reader *reader, const struct yaml_node *node, const char *name)
{
	if (node->kind != YAML_KIND_LIST || node->first != NULL)
		return false;
	mistakes_add(reader->mistakes, node->line, node->column, "%s: the list is empty (fill it or remove the line)",
		     name);
	return true;
}

static bool read_ports(const struct rule_reader *reader, const struct yaml_node *node, struct port_list *ports)
{
	bool is_good = !is_empty(reader, node, "port");

	ports->ranges = calloc(count_items(node) + 1, sizeof(*ports->ranges));
	if (ports->ranges == NULL) {
		mistakes_add(reader->mistakes, node->line, node->column, "out of memory");
		return false;
	}
	for (const struct yaml_node *item = first_item(node); item != NULL; item = next_item(node, item)) {
		if (read_port(reader, item, &ports->ranges[ports->n]))
			ports->n++;
		else
			is_good = false;
	}
	return is_good;
}

static bool read_addresses(const struct rule_reader *reader, const struct yaml_node *node, const char *name,
			   unsigned forms, struct prefix_list *list)
{
	bool is_good = !is_empty(reader, node, name);

	for (const struct yaml_node *item = first_item(node); item != NULL; item = next_item(node, item))
		if (!rule_sets_append(reader->sets, item, name, forms, list, reader->mistakes))
			is_good = false;
	return is_good;
}

static bool reserve_rows(const struct rule_reader *reader, const struct yaml_node *place, struct match_rows *rows,
			 size_t n)
{
	struct rule_match_row *grown;
	size_t capacity = rows->n + n + rows->n / 2;

	if (n > MAX_ROWS || rows->n + n > MAX_ROWS) {
		mistakes_add(reader->mistakes, place->line, place->column,
			     "more than %d addresses and ports (use shorter prefixes and ranges)", MAX_ROWS);
		return false;
	}
	if (rows->n + n <= rows->capacity)
		return true;
	grown = realloc(rows->rows, capacity * sizeof(*grown));
	if (grown == NULL) {
		mistakes_add(reader->mistakes, place->line, place->column, "out of memory");
		return false;
	}
	rows->rows = grown;
	rows->capacity = capacity;
	return true;
}

static bool append_rows(const struct rule_reader *reader, const struct yaml_node *place,
			const struct prefix_list *addresses, const struct port_list *ports, uint16_t value,
			struct match_rows *rows)
{
	size_t n_ports = ports->n > 0 ? ports->n : 1;

	if (!reserve_rows(reader, place, rows, addresses->n * n_ports))
		return false;
	for (size_t i = 0; i < addresses->n; i++) {
		for (size_t k = 0; k < n_ports; k++) {
			struct rule_match_row *row = &rows->rows[rows->n++];

			*row = (struct rule_match_row){ .prefix = addresses->prefixes[i], .value = value };
			if (ports->n > 0) {
				row->has_ports = true;
				row->port_first = ports->ranges[k].first;
				row->port_last = ports->ranges[k].last;
			}
		}
	}
	return true;
}

bool rule_whom_read(const struct rule_reader *reader, const struct yaml_node *mapping, uint16_t value,
		    struct match_rows *rows)
{
	static const struct {
		const char *name;
		unsigned forms;
	} keys[] = {
		{ "address", ADDRESS_FORM_HOST | ADDRESS_FORM_SET },
		{ "prefix", ADDRESS_FORM_PREFIX | ADDRESS_FORM_SET },
		{ "set", ADDRESS_FORM_SET },
	};
	const struct yaml_node *port = yaml_node_find(mapping, "port");
	struct ip_prefix anybody = { .bits = 0 };
	struct prefix_list addresses = { .n = 0 };
	struct port_list ports = { .n = 0 };
	bool has_address = false;
	bool is_good = true;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const struct yaml_node *node = yaml_node_find(mapping, keys[i].name);

		if (node == NULL)
			continue;
		has_address = true;
		if (!read_addresses(reader, node, keys[i].name, keys[i].forms, &addresses))
			is_good = false;
	}
	if (port != NULL && !read_ports(reader, port, &ports))
		is_good = false;
	if (!has_address && port == NULL) {
		mistakes_add(reader->mistakes, mapping->line, mapping->column,
			     "the entry is about nobody (add address, prefix, set or port)");
		is_good = false;
	}
	if (is_good && has_address)
		is_good = append_rows(reader, mapping, &addresses, &ports, value, rows);
	else if (is_good)
		is_good = append_rows(reader, mapping, &(struct prefix_list){ .prefixes = &anybody, .n = 1 }, &ports,
				      value, rows);
	prefix_list_free(&addresses);
	free(ports.ranges);
	return is_good;
}

/* An entry that is a group: no other keys than those of rule_whom_read. */
static bool read_party(const struct rule_reader *reader, const struct yaml_node *mapping, struct match_rows *rows)
{
	bool is_good = true;

	for (const struct yaml_node *child = mapping->first; child != NULL; child = child->next)
		if (rule_key_of(&party_keys, child, reader->mistakes) == NULL)
			is_good = false;
	return rule_whom_read(reader, mapping, 0, rows) && is_good;
}

struct rule_matcher *rule_parties_read(const struct rule_reader *reader, const struct yaml_node *node, const char *name)
{
	struct match_rows rows = { .n = 0 };
	const struct port_list no_ports = { .n = 0 };
	struct rule_matcher *matcher = NULL;
	bool is_good = !is_empty(reader, node, name);

	for (const struct yaml_node *item = first_item(node); item != NULL; item = next_item(node, item)) {
		struct prefix_list addresses = { .n = 0 };

		if (item->kind == YAML_KIND_MAPPING)
			is_good = read_party(reader, item, &rows) && is_good;
		else if (!rule_sets_append(reader->sets, item, name, ADDRESS_FORM_ANY, &addresses, reader->mistakes))
			is_good = false;
		else
			is_good = append_rows(reader, item, &addresses, &no_ports, 0, &rows) && is_good;
		prefix_list_free(&addresses);
	}
	if (is_good) {
		matcher = rule_matcher_create(rows.rows, rows.n, NULL, NULL);
		if (matcher == NULL)
			mistakes_add(reader->mistakes, node->line, node->column, "out of memory");
	}
	free(rows.rows);
	return matcher;
}
