/* SPDX-License-Identifier: BSD-2-Clause */
/* Which YAML is understood, where its nodes stand, and that hostile texts stay small and are refused by name. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "yaml_tree.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

static struct yaml_tree *parse_good(const char *text)
{
	struct error error = { .text = "" };
	struct mistakes mistakes = { .name = "t", .error = &error };
	struct yaml_tree *tree = yaml_tree_parse(text, strlen(text), &mistakes);

	assert_string_equal(error.text, "");
	assert_non_null(tree);
	return tree;
}

static void assert_first_mistake(const char *text, size_t length, const char *expected)
{
	struct error error = { .text = "" };
	struct mistakes mistakes = { .name = "t", .error = &error };
	struct yaml_tree *tree = yaml_tree_parse(text, length, &mistakes);

	assert_string_equal(error.text, expected);
	yaml_tree_destroy(tree);
}

static void nodes_know_where_they_stand(void **state)
{
	struct yaml_tree *tree = parse_good("# a comment\nflow:\n  timeout: {closed: 5s}\nrules: [a, \"b c\"]\n");
	const struct yaml_node *root = tree->documents;
	const struct yaml_node *closed;
	const struct yaml_node *rules;

	(void)state;
	assert_int_equal(root->kind, YAML_KIND_MAPPING);
	closed = yaml_node_find(yaml_node_find(yaml_node_find(root, "flow"), "timeout"), "closed");
	assert_string_equal(closed->text, "5s");
	assert_int_equal(closed->line, 3);
	assert_int_equal(closed->column, 21);
	assert_int_equal(closed->key->column, 13);
	assert_false(closed->quoted);
	rules = yaml_node_find(root, "rules");
	assert_int_equal(rules->kind, YAML_KIND_LIST);
	assert_string_equal(rules->first->text, "a");
	assert_string_equal(rules->first->next->text, "b c");
	assert_true(rules->first->next->quoted);
	assert_null(rules->first->next->next);
	yaml_tree_destroy(tree);
}

static void empty_documents_are_left_out(void **state)
{
	struct yaml_tree *tree = parse_good("---\n# nothing\n---\na: 1\n---\n~\n---\nb: 2\n");

	(void)state;
	assert_non_null(yaml_node_find(tree->documents, "a"));
	assert_non_null(yaml_node_find(tree->documents->next, "b"));
	assert_null(tree->documents->next->next);
	yaml_tree_destroy(tree);
	tree = parse_good("");
	assert_null(tree->documents);
	yaml_tree_destroy(tree);
}

static void null_is_nothing_unless_quoted(void **state)
{
	struct yaml_tree *tree = parse_good("a:\nb: ~\nc: null\nd: \"\"\ne: \"null\"\nf: []\n");
	const struct yaml_node *root = tree->documents;

	(void)state;
	assert_true(yaml_node_is_null(yaml_node_find(root, "a")));
	assert_true(yaml_node_is_null(yaml_node_find(root, "b")));
	assert_true(yaml_node_is_null(yaml_node_find(root, "c")));
	assert_false(yaml_node_is_null(yaml_node_find(root, "d")));
	assert_false(yaml_node_is_null(yaml_node_find(root, "e")));
	assert_false(yaml_node_is_null(yaml_node_find(root, "f")));
	yaml_tree_destroy(tree);
}

static void what_is_not_supported_is_refused_by_name(void **state)
{
	static const struct {
		const char *text;
		const char *mistake;
	} cases[] = {
		{ "a: &x 1\n", "t:1:4: anchors are not supported (repeat the value)" },
		{ "a: &x [1]\n", "t:1:4: anchors and tags are not supported (repeat the value)" },
		{ "a: 1\nb: *a\n", "t:2:4: aliases are not supported (repeat the value)" },
		{ "a: !!str 5\n", "t:1:4: tags are not supported (remove the '!')" },
		{ "a: !x {b: 1}\n", "t:1:4: anchors and tags are not supported (repeat the value)" },
		{ "a: \"x\\ny\"\n", "t:1:4: a value holds a line break or control character (write it on one line)" },
		{ "a: \"x\\e[31m\"\n",
		  "t:1:4: a value holds a line break or control character (write it on one line)" },
		{ "a: \"x\\0y\"\n", "t:1:4: a value holds a line break or control character (write it on one line)" },
		{ "a: \"\\u009b\"\n", "t:1:4: a value holds a line break or control character (write it on one line)" },
		{ "a: |\n  x\n", "t:1:4: a value holds a line break or control character (write it on one line)" },
		{ "[a]: 1\n", "t:1:1: a list cannot be a key (use a word)" },
		{ "{a: 1}: 1\n", "t:1:1: a mapping cannot be a key (use a word)" },
		{ "a: 1\nb: 2\na: 3\n", "t:3:1: key 'a' is given twice (first on line 1; keep one)" },
		{ "[[[[[[[[[1]]]]]]]]]\n", "t:1:9: lists and mappings are nested too deep (check the indentation)" },
		{ "a: \"x\n", "t:2:1: not valid YAML: found unexpected end of stream (check indentation, quotes and "
			      "the space after ':')" },
		{ "a: 1\n\tb: 2\n", "t:2:1: not valid YAML: found a tab character that violates indentation (check "
				    "indentation, quotes and the space after ':')" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++)
		assert_first_mistake(cases[i].text, strlen(cases[i].text), cases[i].mistake);
}

static void only_utf8_is_text(void **state)
{
	static const char latin1[] = "a: 1\nb: \xe4\n";
	static const char overlong[] = "a: \xc0\xaf\n";
	static const char surrogate[] = "a: \xed\xa0\x80\n";
	static const char zero[] = "a: \0b\n";
	static const char utf16[] = "\xff\xfe\x61\x00";
	struct yaml_tree *tree;

	(void)state;
	assert_first_mistake(latin1, sizeof(latin1) - 1,
			     "t:2:4: not valid UTF-8 text: incomplete UTF-8 octet sequence (save the file as UTF-8)");
	assert_first_mistake(
		overlong, sizeof(overlong) - 1,
		"t:1:4: not valid UTF-8 text: invalid length of a UTF-8 sequence (save the file as UTF-8)");
	assert_first_mistake(surrogate, sizeof(surrogate) - 1,
			     "t:1:4: not valid UTF-8 text: invalid Unicode character (save the file as UTF-8)");
	assert_first_mistake(
		zero, sizeof(zero) - 1,
		"t:1:4: not valid UTF-8 text: control characters are not allowed (save the file as UTF-8)");
	assert_first_mistake(utf16, sizeof(utf16) - 1,
			     "t:1:1: not valid UTF-8 text: invalid leading UTF-8 octet (save the file as UTF-8)");
	tree = parse_good("a: \"\xc3\xa4 \xe2\x82\xac\"\n");
	assert_string_equal(tree->documents->first->text, "\xc3\xa4 \xe2\x82\xac");
	yaml_tree_destroy(tree);
}

/* Documents before a mistake are whole; the one with the mistake is left out. */
static void a_broken_document_is_left_out(void **state)
{
	struct error error = { .text = "" };
	struct mistakes mistakes = { .name = "t", .error = &error };
	static const char text[] = "a: 1\n---\nb: 2\nc: [\n";
	struct yaml_tree *tree = yaml_tree_parse(text, strlen(text), &mistakes);

	(void)state;
	assert_int_equal(mistakes.n, 1);
	assert_non_null(yaml_node_find(tree->documents, "a"));
	assert_null(tree->documents->next);
	yaml_tree_destroy(tree);
}

static void the_number_of_nodes_is_bounded(void **state)
{
	size_t n = YAML_TREE_MAX_NODES + 10;
	char *text = malloc(2 * n + 2);
	struct error error = { .text = "" };
	struct mistakes mistakes = { .name = "t", .error = &error };
	struct yaml_tree *tree;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		memcpy(text + 2 * i, "1,", 2);
	memcpy(text, "[ ", 2);
	text[2 * n - 1] = ']';
	tree = yaml_tree_parse(text, 2 * n, &mistakes);
	assert_int_equal(tree->n_nodes, YAML_TREE_MAX_NODES);
	assert_non_null(strstr(error.text, "too many values in one file (split it)"));
	yaml_tree_destroy(tree);
	free(text);
}

static void all_mistakes_go_to_the_report(void **state)
{
	char *report_text;
	size_t report_bytes;
	FILE *report = open_memstream(&report_text, &report_bytes);
	struct error error = { .text = "" };
	struct mistakes mistakes = { .name = "t", .report = report, .error = &error };
	static const char text[] = "a: 1\na: 2\na: 3\n";

	(void)state;
	yaml_tree_destroy(yaml_tree_parse(text, strlen(text), &mistakes));
	fclose(report);
	assert_int_equal(mistakes.n, 2);
	assert_string_equal(error.text, "t:2:1: key 'a' is given twice (first on line 1; keep one)");
	assert_string_equal(report_text, "t:2:1: key 'a' is given twice (first on line 1; keep one)\n"
					 "t:3:1: key 'a' is given twice (first on line 1; keep one)\n");
	free(report_text);
}

static void a_report_is_bounded(void **state)
{
	char *report_text;
	size_t report_bytes;
	FILE *report = open_memstream(&report_text, &report_bytes);
	struct mistakes mistakes = { .name = "t", .report = report };
	size_t n_lines = 0;

	(void)state;
	for (unsigned line = 1; line <= 5000; line++)
		mistakes_add(&mistakes, line, 1, "wrong");
	fclose(report);
	for (const char *c = report_text; *c != '\0'; c++)
		n_lines += *c == '\n';
	assert_int_equal(mistakes.n, 5000);
	assert_int_equal(n_lines, 101);
	assert_non_null(strstr(report_text, "t: more mistakes are not shown\n"));
	free(report_text);
}

static void files_that_cannot_be_read_are_named(void **state)
{
	struct error error = { .text = "" };
	struct mistakes missing = { .name = "/nonexistent.yaml", .error = &error };
	struct mistakes folder = { .name = "/", .error = &error };
	size_t length;

	(void)state;
	assert_null(yaml_file_read(&missing, &length));
	assert_string_equal(error.text,
			    "/nonexistent.yaml: cannot be opened: No such file or directory (check the path)");
	assert_null(yaml_file_read(&folder, &length));
	assert_string_equal(error.text, "/: cannot be read: Is a directory (check the path)");
}

static void an_endless_file_is_refused(void **state)
{
	struct error error = { .text = "" };
	struct mistakes mistakes = { .name = "/dev/zero", .error = &error };
	size_t length;

	(void)state;
	assert_null(yaml_file_read(&mistakes, &length));
	assert_string_equal(error.text, "/dev/zero: larger than 1 MiB (split it)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_know_where_they_stand),
		cmocka_unit_test(empty_documents_are_left_out),
		cmocka_unit_test(null_is_nothing_unless_quoted),
		cmocka_unit_test(what_is_not_supported_is_refused_by_name),
		cmocka_unit_test(only_utf8_is_text),
		cmocka_unit_test(a_broken_document_is_left_out),
		cmocka_unit_test(the_number_of_nodes_is_bounded),
		cmocka_unit_test(all_mistakes_go_to_the_report),
		cmocka_unit_test(a_report_is_bounded),
		cmocka_unit_test(files_that_cannot_be_read_are_named),
		cmocka_unit_test(an_endless_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
