/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides what rule files say together. All are read first; then the sets of addresses, which hold in all of them; then
 * their rules in order; and last the lists of exceptions, because an override begins with the parameters of its rule.
 */
#include "tcpwitness/control/rules.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "rule_reader.h"
#include "suggestion.h"

struct rules_file {
	struct rules_file *next;
	struct mistakes mistakes; /* held until all files are read */
	struct yaml_tree *tree;   /* null = not readable */
	char name[];
};

struct rules_loader {
	struct rules_file *first;
	struct rules_file **tail;
	bool is_short_of_memory;
};

/* A list that is read when all rules are known. */
enum rule_list { LIST_OVERRIDES = 0, LIST_ALLOW, LIST_QUIET, LIST_SEVERITY_MAP, N_LISTS };

/* What is known of one rule while the files are read. */
struct rule_source {
	struct rules_file *file;    /* of the document read last; null = none yet */
	unsigned line;              /* of that document */
	const struct yaml_node *id; /* signature_id given last; null = not given */
	struct rules_file *id_file;
	struct {
		const struct yaml_node *node; /* given last; null = not given */
		struct rules_file *file;
	} lists[N_LISTS];
};

struct rules_reading {
	struct ruleset *ruleset;
	struct rule_sets *sets;
	struct rule_source *sources; /* by rule */
};

struct rules_loader *rules_loader_create(struct error *error)
{
	struct rules_loader *loader = calloc(1, sizeof(*loader));

	if (loader == NULL)
		error_set(error, "rules: out of memory");
	else
		loader->tail = &loader->first;
	return loader;
}

void rules_loader_destroy(struct rules_loader *loader)
{
	if (loader == NULL)
		return;
	while (loader->first != NULL) {
		struct rules_file *next = loader->first->next;

		yaml_tree_destroy(loader->first->tree);
		mistakes_forget(&loader->first->mistakes);
		free(loader->first);
		loader->first = next;
	}
	free(loader);
}

static struct rules_file *add_file(struct rules_loader *loader, const char *name)
{
	size_t name_bytes = strlen(name) + 1;
	struct rules_file *file = calloc(1, sizeof(*file) + name_bytes);

	if (file == NULL) {
		loader->is_short_of_memory = true;
		return NULL;
	}
	memcpy(file->name, name, name_bytes);
	file->mistakes = (struct mistakes){ .name = file->name, .is_held = true };
	*loader->tail = file;
	loader->tail = &file->next;
	return file;
}

void rules_loader_add_text(struct rules_loader *loader, const char *name, const char *text, size_t length)
{
	struct rules_file *file = add_file(loader, name);

	if (file != NULL)
		file->tree = yaml_tree_parse(text, length, &file->mistakes);
}

static void load_file(struct rules_loader *loader, const char *path)
{
	struct rules_file *file = add_file(loader, path);
	size_t length;
	char *text;

	if (file == NULL)
		return;
	text = yaml_file_read(&file->mistakes, &length);
	if (text != NULL)
		file->tree = yaml_tree_parse(text, length, &file->mistakes);
	free(text);
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

static void refuse_folder(struct rules_loader *loader, const char *path, const char *problem)
{
	struct rules_file *file = add_file(loader, path);

	if (file != NULL)
		mistakes_add(&file->mistakes, 0, 0, "%s", problem);
}

static void load_folder(struct rules_loader *loader, const char *path)
{
	struct dirent **entries;
	int n_entries = scandir(path, &entries, is_rule_file, by_name);
	char problem[128];

	if (n_entries < 0) {
		snprintf(problem, sizeof(problem), "cannot be read: %s (check the path)", strerror(errno));
		refuse_folder(loader, path, problem);
		return;
	}
	if (n_entries == 0)
		refuse_folder(loader, path, "holds no *.yaml file (give the folder with the rules)");
	for (int i = 0; i < n_entries; i++) {
		char *file_path = NULL;

		if (asprintf(&file_path, "%s/%s", path, entries[i]->d_name) < 0)
			loader->is_short_of_memory = true;
		else
			load_file(loader, file_path);
		free(file_path);
		free(entries[i]);
	}
	free(entries);
}

void rules_loader_add_path(struct rules_loader *loader, const char *path)
{
	struct stat status;

	if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
		load_folder(loader, path);
	else
		load_file(loader, path);
}

static void read_mitre(const struct rule_reader *reader, const struct yaml_node *node)
{
	if (yaml_node_is_null(node) || !rule_node_is_mapping(node, "mitre", reader->mistakes))
		return; /* null: all its lines may be comments */
	for (const struct yaml_node *child = node->first; child != NULL; child = child->next) {
		const struct rule_key *key = rule_key_of(&mitre_keys, child, reader->mistakes);

		if (key != NULL)
			rule_value_read(reader, key, child, reader->rule);
	}
}

static void read_list(const struct rules_reading *reading, size_t row, enum rule_list list)
{
	static void (*const readers[])(const struct rule_reader *reader, const struct yaml_node *node) = {
		[LIST_OVERRIDES] = rule_overrides_read,
		[LIST_ALLOW] = rule_allow_read,
		[LIST_QUIET] = rule_quiet_read,
		[LIST_SEVERITY_MAP] = rule_severity_map_read,
	};
	const struct rule_source *source = &reading->sources[row];
	const struct rule_reader reader = {
		.detector = detectors[row],
		.rule = &reading->ruleset->rules[row],
		.sets = reading->sets,
		.mistakes = source->lists[list].node != NULL ? &source->lists[list].file->mistakes : NULL,
	};

	if (source->lists[list].node != NULL)
		readers[list](&reader, source->lists[list].node);
}

/* A list takes the place of that of an earlier file, which is read now, only for the mistakes in it. */
static void keep_list(const struct rules_reading *reading, size_t row, enum rule_list list,
		      const struct yaml_node *node, struct rules_file *file)
{
	struct rule_source *source = &reading->sources[row];

	read_list(reading, row, list);
	source->lists[list].node = node;
	source->lists[list].file = file;
}

static void read_key(const struct rules_reading *reading, struct rules_file *file, size_t row,
		     const struct rule_key *key, const struct yaml_node *node)
{
	const struct rule_reader reader = {
		.detector = detectors[row],
		.rule = &reading->ruleset->rules[row],
		.sets = reading->sets,
		.mistakes = &file->mistakes,
	};

	switch ((int)key->type) {
	case RULE_KEY_FLAG:
		reader.rule->is_off_elsewhere = false;
		rule_value_read(&reader, key, node, reader.rule);
		break;
	case RULE_KEY_NUMBER:
	case RULE_KEY_TEXT:
		rule_value_read(&reader, key, node, reader.rule);
		break;
	case RULE_KEY_MITRE:
		read_mitre(&reader, node);
		break;
	case RULE_KEY_PARAMETERS:
		rule_parameters_read(&reader, node, reader.rule->params);
		break;
	case RULE_KEY_OVERRIDES:
		keep_list(reading, row, LIST_OVERRIDES, node, file);
		break;
	case RULE_KEY_ALLOW:
		keep_list(reading, row, LIST_ALLOW, node, file);
		break;
	case RULE_KEY_QUIET:
		keep_list(reading, row, LIST_QUIET, node, file);
		break;
	case RULE_KEY_SEVERITY_MAP:
		keep_list(reading, row, LIST_SEVERITY_MAP, node, file);
		break;
	default: /* the detector, and sets: both were read before all else */
		break;
	}
}

/* The row of the detector that a document names, or -1 with a mistake added. */
static int find_detector(struct rules_file *file, const struct yaml_node *document)
{
	const struct yaml_node *name = yaml_node_find(document, "detector");
	struct suggestion suggestion;
	char hint[96];
	int row;

	if (name == NULL) {
		mistakes_add(&file->mistakes, document->line, document->column,
			     "the rule names no detector (add e.g. 'detector: syn_flood')");
		return -1;
	}
	if (!rule_node_is_value(name, "detector", &file->mistakes))
		return -1;
	row = ruleset_find(name->text);
	if (row >= 0)
		return row;
	suggestion_init(&suggestion, name->text);
	for (size_t i = 0; detectors[i] != NULL; i++)
		suggestion_offer(&suggestion, detectors[i]->name);
	mistakes_add(&file->mistakes, name->line, name->column, "unknown detector '%.64s'%s", name->text,
		     suggestion_text(&suggestion, hint, sizeof(hint)));
	return -1;
}

/* Nothing but sets. */
static bool holds_only_sets(const struct yaml_node *document)
{
	return document->first != NULL && document->first->next == NULL &&
	       strcmp(document->first->key->text, "sets") == 0;
}

static void read_document(const struct rules_reading *reading, struct rules_file *file,
			  const struct yaml_node *document)
{
	struct rule_source *source;
	int row;

	if (document->kind != YAML_KIND_MAPPING) {
		mistakes_add(&file->mistakes, document->line, document->column,
			     "%s instead of a rule (begin with e.g. 'detector: syn_flood')",
			     yaml_kind_name(document->kind));
		return;
	}
	if (holds_only_sets(document))
		return;
	row = find_detector(file, document);
	if (row < 0)
		return;
	source = &reading->sources[row];
	if (source->file == file) {
		mistakes_add(&file->mistakes, document->line, document->column,
			     "a second rule for detector '%s' (the first is on line %u; merge them)",
			     detectors[row]->name, source->line);
		return;
	}
	source->file = file;
	source->line = document->line;
	if (yaml_node_find(document, "signature_id") != NULL) {
		source->id = yaml_node_find(document, "signature_id");
		source->id_file = file;
	}
	for (const struct yaml_node *node = document->first; node != NULL; node = node->next) {
		const struct rule_key *key = rule_key_of(&rule_keys, node, &file->mistakes);

		if (key != NULL)
			read_key(reading, file, (size_t)row, key, node);
	}
}

/* Consumers tell alarms apart by the signature's number, so no two rules may share one. */
static void check_signature_ids(const struct rules_reading *reading)
{
	const struct rule *rules = reading->ruleset->rules;

	for (size_t i = 0; i < reading->ruleset->n_rules; i++) {
		const struct rule_source *source = &reading->sources[i];

		for (size_t j = 0; source->id != NULL && j < reading->ruleset->n_rules; j++) {
			if (j == i || rules[j].signature_id != rules[i].signature_id)
				continue;
			mistakes_add(&source->id_file->mistakes, source->id->line, source->id->column,
				     "signature_id: %u is that of detector '%s' (use another)", rules[i].signature_id,
				     detectors[j]->name);
			break;
		}
	}
}

static void read_all(const struct rules_loader *loader, const struct rules_reading *reading)
{
	for (struct rules_file *file = loader->first; file != NULL; file = file->next)
		for (const struct yaml_node *node = file->tree != NULL ? file->tree->documents : NULL; node != NULL;
		     node = node->next) {
			const struct yaml_node *sets =
				node->kind == YAML_KIND_MAPPING ? yaml_node_find(node, "sets") : NULL;
			if (sets != NULL)
				rule_sets_collect(reading->sets, sets, &file->mistakes);
		}
	rule_sets_resolve(reading->sets);
	for (struct rules_file *file = loader->first; file != NULL; file = file->next)
		for (const struct yaml_node *node = file->tree != NULL ? file->tree->documents : NULL; node != NULL;
		     node = node->next)
			read_document(reading, file, node);
	for (size_t row = 0; row < reading->ruleset->n_rules; row++)
		for (int list = 0; list < N_LISTS; list++)
			read_list(reading, row, (enum rule_list)list);
	check_signature_ids(reading);
}

int rules_loader_apply(struct rules_loader *loader, struct ruleset *ruleset, FILE *report, struct error *error)
{
	struct rules_reading reading = {
		.ruleset = ruleset,
		.sets = rule_sets_create(),
		.sources = calloc(ruleset->n_rules + 1, sizeof(*reading.sources)),
	};
	int result = 0;

	if (reading.sets == NULL || reading.sources == NULL || loader->is_short_of_memory)
		result = error_set(error, "rules: out of memory");
	else
		read_all(loader, &reading);
	rule_sets_destroy(reading.sets);
	free(reading.sources);
	for (struct rules_file *file = loader->first; file != NULL; file = file->next) {
		/* The first mistake of all files is the one for *error. */
		if (mistakes_tell(&file->mistakes, report, result == 0 ? error : NULL) > 0)
			result = -1;
	}
	return result;
}

int rules_load_text(struct ruleset *ruleset, const char *name, const char *text, size_t length, FILE *report,
		    struct error *error)
{
	struct rules_loader *loader = rules_loader_create(error);
	int result = -1;

	if (loader != NULL) {
		rules_loader_add_text(loader, name, text, length);
		result = rules_loader_apply(loader, ruleset, report, error);
	}
	rules_loader_destroy(loader);
	return result;
}

int rules_load_path(struct ruleset *ruleset, const char *path, FILE *report, struct error *error)
{
	struct rules_loader *loader = rules_loader_create(error);
	int result = -1;

	if (loader != NULL) {
		rules_loader_add_path(loader, path);
		result = rules_loader_apply(loader, ruleset, report, error);
	}
	rules_loader_destroy(loader);
	return result;
}
