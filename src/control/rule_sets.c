/* SPDX-License-Identifier: BSD-2-Clause */
/* Decides what a named set of addresses is, and what an address may be written as in rules. */
#include "rule_sets.h"

#include <stdlib.h>
#include <string.h>

#include "rule_keys.h"
#include "suggestion.h"

enum {
	MAX_SETS = 1024,
	MAX_NAME = 32,
	MAX_NESTING = 16, /* of sets in sets */
};

enum set_state { SET_UNREAD = 0, SET_READING, SET_READ };

struct rule_set {
	const char *name; /* of its key */
	const struct yaml_node *node;
	struct mistakes *mistakes; /* of its file */
	enum set_state state;
	struct prefix_list list;
};

struct rule_sets {
	size_t n;
	struct rule_set sets[MAX_SETS];
};

struct rule_sets *rule_sets_create(void)
{
	return calloc(1, sizeof(struct rule_sets));
}

void prefix_list_free(struct prefix_list *list)
{
	free(list->prefixes);
	*list = (struct prefix_list){ .n = 0 };
}

void rule_sets_destroy(struct rule_sets *sets)
{
	if (sets == NULL)
		return;
	for (size_t i = 0; i < sets->n; i++)
		prefix_list_free(&sets->sets[i].list);
	free(sets);
}

static bool append(struct prefix_list *list, const struct ip_prefix *prefixes, size_t n, const struct yaml_node *place,
		   struct mistakes *mistakes)
{
	if (list->n + n > RULE_SET_MAX_PREFIXES) {
		mistakes_add(mistakes, place->line, place->column,
			     "more than %d addresses and prefixes (use shorter prefixes)", RULE_SET_MAX_PREFIXES);
		return false;
	}
	if (list->n + n > list->capacity) {
		size_t capacity = list->n + n + list->n / 2;
		struct ip_prefix *grown = realloc(list->prefixes, capacity * sizeof(*grown));

		if (grown == NULL) {
			mistakes_add(mistakes, place->line, place->column, "out of memory");
			return false;
		}
		list->prefixes = grown;
		list->capacity = capacity;
	}
	if (n > 0)
		memcpy(list->prefixes + list->n, prefixes, n * sizeof(*prefixes));
	list->n += n;
	return true;
}

static struct rule_set *find(const struct rule_sets *sets, const char *name)
{
	for (size_t i = 0; i < sets->n; i++)
		if (strcmp(sets->sets[i].name, name) == 0)
			return (struct rule_set *)&sets->sets[i];
	return NULL;
}

/* A letter, then letters, digits, '_' and '-': never to be taken for an address. */
static bool is_set_name(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t length = strlen(text);

	return length > 0 && length <= MAX_NAME && strspn(text, letters) > 0 && strspn(text, others) == length;
}

static void refuse_name(const struct rule_sets *sets, const struct yaml_node *scalar, const char *name,
			struct mistakes *mistakes)
{
	struct suggestion suggestion;
	char hint[96];

	suggestion_init(&suggestion, scalar->text);
	for (size_t i = 0; i < sets->n; i++)
		suggestion_offer(&suggestion, sets->sets[i].name);
	mistakes_add(mistakes, scalar->line, scalar->column, "%s: unknown set '%.64s'%s", name, scalar->text,
		     suggestion.best != NULL ? suggestion_text(&suggestion, hint, sizeof(hint))
					     : " (define it below 'sets', in any rule file)");
}

static const char *forms_text(unsigned forms)
{
	switch (forms) {
	case ADDRESS_FORM_SET:
		return "no name of a set (use letters, digits, '_' and '-')";
	case ADDRESS_FORM_SET | ADDRESS_FORM_HOST:
		return "no address and no name of a set (use e.g. 192.0.2.1 or 2001:db8::1)";
	case ADDRESS_FORM_SET | ADDRESS_FORM_PREFIX:
		return "no prefix and no name of a set (use e.g. 192.0.2.0/24 or 2001:db8::/32)";
	default:
		return "no address, no prefix and no name of a set (use e.g. 192.0.2.1 or 192.0.2.0/24)";
	}
}

static bool append_prefix(const struct yaml_node *scalar, const char *name, unsigned forms,
			  const struct ip_prefix *prefix, struct prefix_list *list, struct mistakes *mistakes)
{
	if ((forms & ADDRESS_FORM_PREFIX) == 0 && prefix->bits < ip_prefix_max_bits(&prefix->ip)) {
		mistakes_add(mistakes, scalar->line, scalar->column, "%s: '%.64s' is a prefix (write 'prefix: %.64s')",
			     name, scalar->text, scalar->text);
		return false;
	}
	return append(list, prefix, 1, scalar, mistakes);
}

/* An address or a prefix in one of the allowed forms. Returns false for what can only be a name. */
static bool read_prefix(const struct yaml_node *scalar, const char *name, unsigned forms, struct prefix_list *list,
			struct mistakes *mistakes, bool *is_good)
{
	char right[IP_ADDR_TEXT_BYTES];
	struct ip_prefix prefix;

	*is_good = false;
	if ((forms & (ADDRESS_FORM_HOST | ADDRESS_FORM_PREFIX)) == 0)
		return false;
	switch (ip_prefix_parse(scalar->text, &prefix)) {
	case IP_PREFIX_OK:
		*is_good = append_prefix(scalar, name, forms, &prefix, list, mistakes);
		return true;
	case IP_PREFIX_NO_LENGTH:
		mistakes_add(mistakes, scalar->line, scalar->column,
			     "%s: '%.64s' has no legal length behind its '/' (use 0 to 32, or to 128 for IPv6)", name,
			     scalar->text);
		return true;
	case IP_PREFIX_HOST_BITS:
		mistakes_add(mistakes, scalar->line, scalar->column,
			     "%s: '%.64s' has bits behind its prefix (write %s for all of it)", name, scalar->text,
			     ip_prefix_format(&prefix, right));
		return true;
	case IP_PREFIX_NO_ADDRESS:
		break;
	}
	return false;
}

bool rule_sets_append(const struct rule_sets *sets, const struct yaml_node *scalar, const char *name, unsigned forms,
		      struct prefix_list *list, struct mistakes *mistakes)
{
	const struct rule_set *set;
	bool is_good;

	if (!rule_node_is_value(scalar, name, mistakes))
		return false;
	if (read_prefix(scalar, name, forms, list, mistakes, &is_good))
		return is_good;
	if (!is_set_name(scalar->text)) {
		mistakes_add(mistakes, scalar->line, scalar->column, "%s: '%.64s' is %s", name, scalar->text,
			     forms_text(forms));
		return false;
	}
	set = find(sets, scalar->text);
	if (set == NULL) {
		refuse_name(sets, scalar, name, mistakes);
		return false;
	}
	return append(list, set->list.prefixes, set->list.n, scalar, mistakes);
}

void rule_sets_collect(struct rule_sets *sets, const struct yaml_node *node, struct mistakes *mistakes)
{
	if (yaml_node_is_null(node) || !rule_node_is_mapping(node, "sets", mistakes))
		return;
	for (const struct yaml_node *child = node->first; child != NULL; child = child->next) {
		const struct yaml_node *key = child->key;
		struct rule_set *set = find(sets, key->text);

		if (!is_set_name(key->text)) {
			mistakes_add(mistakes, key->line, key->column,
				     "'%.64s' cannot name a set (use up to %d letters, digits, '_' and '-', a letter "
				     "first)",
				     key->text, MAX_NAME);
			continue;
		}
		if (set == NULL && sets->n == MAX_SETS) {
			mistakes_add(mistakes, key->line, key->column, "more than %d sets (merge some)", MAX_SETS);
			return;
		}
		if (set == NULL)
			set = &sets->sets[sets->n++];
		else if (set->mistakes == mistakes)
			mistakes_add(mistakes, key->line, key->column,
				     "set '%s' is given twice (first on line %u; keep one)", key->text,
				     set->node->key->line);
		*set = (struct rule_set){ .name = key->text, .node = child, .mistakes = mistakes };
	}
}

static void resolve(struct rule_sets *sets, struct rule_set *set, unsigned depth);

/* What has to be known before a member can be read. False when it cannot be. */
static bool resolve_member(struct rule_sets *sets, struct rule_set *set, const struct yaml_node *member, unsigned depth)
{
	struct rule_set *inner = member->kind == YAML_KIND_SCALAR ? find(sets, member->text) : NULL;

	if (inner == NULL || inner->state == SET_READ)
		return true;
	if (inner->state == SET_READING) {
		mistakes_add(set->mistakes, member->line, member->column,
			     inner == set ? "set '%s' holds itself (remove it here)"
					  : "set '%s' is held by one that it holds itself (remove one of them)",
			     inner->name);
		return false;
	}
	if (depth == MAX_NESTING) {
		mistakes_add(set->mistakes, member->line, member->column,
			     "sets are nested more than %d deep (name the addresses)", MAX_NESTING);
		return false;
	}
	resolve(sets, inner, depth + 1);
	return true;
}

static void resolve(struct rule_sets *sets, struct rule_set *set, unsigned depth)
{
	const struct yaml_node *node = set->node;
	const struct yaml_node *member = node->kind == YAML_KIND_LIST ? node->first : node;

	set->state = SET_READING;
	if (node->kind == YAML_KIND_MAPPING)
		rule_node_is_list(node, set->name, set->mistakes);
	else if (!yaml_node_is_null(node))
		for (; member != NULL; member = node->kind == YAML_KIND_LIST ? member->next : NULL)
			if (resolve_member(sets, set, member, depth))
				rule_sets_append(sets, member, set->name, ADDRESS_FORM_ANY, &set->list, set->mistakes);
	set->state = SET_READ;
}

void rule_sets_resolve(struct rule_sets *sets)
{
	for (size_t i = 0; i < sets->n; i++)
		if (sets->sets[i].state == SET_UNREAD)
			resolve(sets, &sets->sets[i], 1);
}
