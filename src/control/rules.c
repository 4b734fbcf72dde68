/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides how rule files are written: which keys a rule has, and which values they may take. The parameters
 * come from the detectors' own tables, so a new detector needs nothing here.
 */
#include "tcpwitness/control/rules.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tcpwitness/detect/detector.h"
#include "rule_param.h"
#include "suggestion.h"
#include "yaml_tree.h"

/* One text being read. */
struct rules_reader {
	struct ruleset *ruleset;
	struct mistakes *mistakes;
	struct rule_source {
		unsigned line;              /* of the document of this rule in this text; 0 = none */
		const struct yaml_node *id; /* its signature_id in this text; null = not given */
	} * sources;                        /* by rule */
};

/* The rule that a document is about. */
struct rule_target {
	const struct rules_reader *reader;
	const struct detector *detector;
	struct rule *rule;
};

/* A key of a rule: where its text or number goes. */
enum rule_key_type {
	RULE_KEY_DETECTOR = 0,
	RULE_KEY_FLAG,
	RULE_KEY_NUMBER,
	RULE_KEY_TEXT,
	RULE_KEY_MITRE,
	RULE_KEY_PARAMETERS
};

struct rule_key {
	const char *name;
	enum rule_key_type type;
	size_t offset; /* in struct rule */
	size_t bytes;
	struct value_range range; /* of a number */
	const char *text;
};

#define FIELD(member) .offset = offsetof(struct rule, member), .bytes = sizeof(((struct rule *)0)->member)

/* clang-format off */
static const struct rule_key rule_keys[] = {
	{ .name = "detector",     .type = RULE_KEY_DETECTOR },
	{ .name = "enabled",      .type = RULE_KEY_FLAG,   FIELD(enabled) },
	{ .name = "severity",     .type = RULE_KEY_NUMBER, FIELD(severity),     .range = { 1, 3 } },
	{ .name = "signature",    .type = RULE_KEY_TEXT,   FIELD(signature) },
	{ .name = "category",     .type = RULE_KEY_TEXT,   FIELD(category) },
	{ .name = "signature_id", .type = RULE_KEY_NUMBER, FIELD(signature_id), .range = { 1, 4294967295.0 } },
	{ .name = "rev",          .type = RULE_KEY_NUMBER, FIELD(rev),          .range = { 1, 4294967295.0 } },
	{ .name = "mitre",        .type = RULE_KEY_MITRE },
	{ .name = "parameters",   .type = RULE_KEY_PARAMETERS },
};

static const struct rule_key mitre_keys[] = {
	{ .name = "technique", .type = RULE_KEY_TEXT, FIELD(mitre_technique) },
	{ .name = "tactic",    .type = RULE_KEY_TEXT, FIELD(mitre_tactic) },
};
/* clang-format on */

enum {
	N_RULE_KEYS = sizeof(rule_keys) / sizeof(rule_keys[0]),
	N_MITRE_KEYS = sizeof(mitre_keys) / sizeof(mitre_keys[0]),
};

static void refuse_value(const struct rules_reader *reader, const struct yaml_node *node, const char *name,
			 const char *problem)
{
	mistakes_add(reader->mistakes, node->line, node->column, "%s: %.300s", name, problem);
}

/* True for a scalar with a value; else a mistake is added. */
static bool is_value(const struct rules_reader *reader, const struct yaml_node *node)
{
	if (yaml_node_is_null(node)) {
		mistakes_add(reader->mistakes, node->key->line, node->key->column,
			     "%s has no value (give one or remove the line)", node->key->text);
		return false;
	}
	if (node->kind != YAML_KIND_SCALAR) {
		mistakes_add(reader->mistakes, node->line, node->column, "%s: %s instead of a value", node->key->text,
			     yaml_kind_name(node->kind));
		return false;
	}
	return true;
}

static void set_number(const struct rule_target *target, const struct rule_key *key, const struct yaml_node *node)
{
	struct error problem = { .text = "" };
	struct value value;
	void *field = (unsigned char *)target->rule + key->offset;

	if (!value_parse(key->type == RULE_KEY_FLAG ? VALUE_FLAG : VALUE_COUNT, key->range, node->text, &value,
			 &problem)) {
		refuse_value(target->reader, node, key->name, problem.text);
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

static void set_text(const struct rule_target *target, const struct rule_key *key, const struct yaml_node *node)
{
	char *field = (char *)target->rule + key->offset;
	size_t length = strlen(node->text);

	if (length >= key->bytes) {
		mistakes_add(target->reader->mistakes, node->line, node->column,
			     "%s: longer than %zu bytes (shorten it)", key->name, key->bytes - 1);
		return;
	}
	if (key->offset == offsetof(struct rule, mitre_technique) && length > 0 && !is_mitre_technique(node->text)) {
		mistakes_add(target->reader->mistakes, node->line, node->column,
			     "technique: '%s' is no ATT&CK technique (use e.g. T1499 or T1499.001)", node->text);
		return;
	}
	if (key->offset == offsetof(struct rule, signature) && length == 0) {
		refuse_value(target->reader, node, key->name, "the text is empty (say what the alert means)");
		return;
	}
	memset(field, 0, key->bytes);
	memcpy(field, node->text, length);
}

static void refuse_key(const struct rules_reader *reader, const struct yaml_node *node, const struct rule_key *keys,
		       size_t n_keys)
{
	struct suggestion suggestion;
	char hint[96];

	suggestion_init(&suggestion, node->key->text);
	for (size_t i = 0; i < n_keys; i++)
		suggestion_offer(&suggestion, keys[i].name);
	mistakes_add(reader->mistakes, node->key->line, node->key->column, "unknown key '%.64s'%s", node->key->text,
		     suggestion_text(&suggestion, hint, sizeof(hint)));
}

static void read_mitre(const struct rule_target *target, const struct yaml_node *mapping)
{
	for (const struct yaml_node *node = mapping->first; node != NULL; node = node->next) {
		size_t i = 0;

		while (i < N_MITRE_KEYS && strcmp(mitre_keys[i].name, node->key->text) != 0)
			i++;
		if (i == N_MITRE_KEYS)
			refuse_key(target->reader, node, mitre_keys, N_MITRE_KEYS);
		else if (is_value(target->reader, node))
			set_text(target, &mitre_keys[i], node);
	}
}

static void refuse_parameter(const struct rule_target *target, const struct yaml_node *node)
{
	struct suggestion suggestion;
	char hint[96];

	suggestion_init(&suggestion, node->key->text);
	for (size_t i = 0; i < target->detector->n_params; i++)
		suggestion_offer(&suggestion, target->detector->params[i].name);
	mistakes_add(target->reader->mistakes, node->key->line, node->key->column,
		     "detector '%s' has no parameter '%.64s'%s", target->detector->name, node->key->text,
		     suggestion_text(&suggestion, hint, sizeof(hint)));
}

static void read_parameters(const struct rule_target *target, const struct yaml_node *mapping)
{
	for (const struct yaml_node *node = mapping->first; node != NULL; node = node->next) {
		const struct rule_param *param = rule_param_find(target->detector, node->key->text);
		struct error problem = { .text = "" };

		if (param == NULL)
			refuse_parameter(target, node);
		else if (is_value(target->reader, node) &&
			 !rule_param_set(param, target->rule->params, node->text, &problem))
			refuse_value(target->reader, node, param->name, problem.text);
	}
}

static void read_key(const struct rule_target *target, const struct rule_key *key, const struct yaml_node *node)
{
	switch (key->type) {
	case RULE_KEY_DETECTOR:
		break; /* found first, as all else depends on it */
	case RULE_KEY_FLAG:
	case RULE_KEY_NUMBER:
		if (is_value(target->reader, node))
			set_number(target, key, node);
		break;
	case RULE_KEY_TEXT:
		if (is_value(target->reader, node))
			set_text(target, key, node);
		break;
	case RULE_KEY_MITRE:
	case RULE_KEY_PARAMETERS:
		if (yaml_node_is_null(node))
			break; /* all its lines may be comments */
		if (node->kind != YAML_KIND_MAPPING)
			mistakes_add(target->reader->mistakes, node->line, node->column,
				     "%s: %s instead of keys (write 'key: value' below it, indented)", key->name,
				     yaml_kind_name(node->kind));
		else if (key->type == RULE_KEY_MITRE)
			read_mitre(target, node);
		else
			read_parameters(target, node);
		break;
	}
}

/* The row of the detector that a document names, or -1 with a mistake added. */
static int find_detector(const struct rules_reader *reader, const struct yaml_node *document)
{
	const struct yaml_node *name = yaml_node_find(document, "detector");
	struct suggestion suggestion;
	char hint[96];
	int row;

	if (name == NULL) {
		mistakes_add(reader->mistakes, document->line, document->column,
			     "the rule names no detector (add e.g. 'detector: syn_flood')");
		return -1;
	}
	if (!is_value(reader, name))
		return -1;
	row = ruleset_find(name->text);
	if (row >= 0)
		return row;
	suggestion_init(&suggestion, name->text);
	for (size_t i = 0; detectors[i] != NULL; i++)
		suggestion_offer(&suggestion, detectors[i]->name);
	mistakes_add(reader->mistakes, name->line, name->column, "unknown detector '%.64s'%s", name->text,
		     suggestion_text(&suggestion, hint, sizeof(hint)));
	return -1;
}

static void read_document(struct rules_reader *reader, const struct yaml_node *document)
{
	struct rule_target target = { .reader = reader };
	struct rule_source *source;
	int row;

	if (document->kind != YAML_KIND_MAPPING) {
		mistakes_add(reader->mistakes, document->line, document->column,
			     "%s instead of a rule (begin with e.g. 'detector: syn_flood')",
			     yaml_kind_name(document->kind));
		return;
	}
	row = find_detector(reader, document);
	if (row < 0)
		return;
	source = &reader->sources[row];
	if (source->line != 0) {
		mistakes_add(reader->mistakes, document->line, document->column,
			     "a second rule for detector '%s' (the first is on line %u; merge them)",
			     detectors[row]->name, source->line);
		return;
	}
	source->line = document->line;
	source->id = yaml_node_find(document, "signature_id");
	target.detector = detectors[row];
	target.rule = &reader->ruleset->rules[row];
	for (const struct yaml_node *node = document->first; node != NULL; node = node->next) {
		size_t i = 0;

		while (i < N_RULE_KEYS && strcmp(rule_keys[i].name, node->key->text) != 0)
			i++;
		if (i == N_RULE_KEYS)
			refuse_key(reader, node, rule_keys, N_RULE_KEYS);
		else
			read_key(&target, &rule_keys[i], node);
	}
}

/* Consumers tell alarms apart by the signature's number, so no two rules may share one. */
static void check_signature_ids(const struct rules_reader *reader)
{
	const struct rule *rules = reader->ruleset->rules;

	for (size_t i = 0; i < reader->ruleset->n_rules; i++) {
		const struct yaml_node *node = reader->sources[i].id;

		for (size_t j = 0; node != NULL && j < reader->ruleset->n_rules; j++) {
			if (j == i || rules[j].signature_id != rules[i].signature_id)
				continue;
			mistakes_add(reader->mistakes, node->line, node->column,
				     "signature_id: %u is that of detector '%s' (use another)", rules[i].signature_id,
				     detectors[j]->name);
			break;
		}
	}
}

static void read_text(struct ruleset *ruleset, struct mistakes *mistakes, const char *text, size_t length)
{
	struct rules_reader reader = { .ruleset = ruleset, .mistakes = mistakes };
	struct yaml_tree *tree = yaml_tree_parse(text, length, mistakes);

	if (tree == NULL)
		return;
	reader.sources = calloc(ruleset->n_rules + 1, sizeof(*reader.sources));
	if (reader.sources == NULL) {
		mistakes_add(mistakes, 0, 0, "out of memory");
	} else {
		for (const struct yaml_node *node = tree->documents; node != NULL; node = node->next)
			read_document(&reader, node);
		check_signature_ids(&reader);
	}
	free(reader.sources);
	yaml_tree_destroy(tree);
}

int rules_load_text(struct ruleset *ruleset, const char *name, const char *text, size_t length, FILE *report,
		    struct error *error)
{
	struct mistakes mistakes = { .name = name, .report = report, .error = error };

	read_text(ruleset, &mistakes, text, length);
	return mistakes.n == 0 ? 0 : -1;
}

static int load_file(struct ruleset *ruleset, const char *path, FILE *report, struct error *error)
{
	struct mistakes mistakes = { .name = path, .report = report, .error = error };
	size_t length;
	char *text = yaml_file_read(&mistakes, &length);

	if (text != NULL)
		read_text(ruleset, &mistakes, text, length);
	free(text);
	return mistakes.n == 0 ? 0 : -1;
}

static int is_rule_file(const struct dirent *entry)
{
	return fnmatch("*.yaml", entry->d_name, FNM_PERIOD) == 0;
}

/* By bytes, so that the order is the same in every locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_folder(struct ruleset *ruleset, const char *path, FILE *report, struct error *error)
{
	struct mistakes mistakes = { .name = path, .report = report, .error = error };
	struct dirent **entries;
	int n_entries = scandir(path, &entries, is_rule_file, by_name);
	int result = 0;

	if (n_entries < 0) {
		mistakes_add(&mistakes, 0, 0, "cannot be read: %s (check the path)", strerror(errno));
		return -1;
	}
	if (n_entries == 0) {
		mistakes_add(&mistakes, 0, 0, "holds no *.yaml file (give the folder with the rules)");
		result = -1;
	}
	for (int i = 0; i < n_entries; i++) {
		struct error ignored;
		char *file_path = NULL;

		/* The first mistake of all files is the one for *error. */
		if (asprintf(&file_path, "%s/%s", path, entries[i]->d_name) < 0)
			result = error_set(error, "out of memory");
		else if (load_file(ruleset, file_path, report, result == 0 ? error : &ignored) != 0)
			result = -1;
		free(file_path);
		free(entries[i]);
	}
	free(entries);
	return result;
}

int rules_load_path(struct ruleset *ruleset, const char *path, FILE *report, struct error *error)
{
	struct stat status;

	if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
		return load_folder(ruleset, path, report, error);
	return load_file(ruleset, path, report, error);
}
