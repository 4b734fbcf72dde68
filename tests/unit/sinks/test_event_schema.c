/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doc/events.schema.json lists exactly the names that the program can write, and the manual page explains each of
 * them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "tcpwitness/decode/decoder.h"
#include "tcpwitness/events/sensor_event.h"
#include "tcpwitness/flow/flow.h"

struct documents {
	json_t *schema;
	char *page;
};

static int read_documents(void **state)
{
	struct documents *documents = calloc(1, sizeof(*documents));
	FILE *file = fopen(PROJECT_DIR "/doc/tcpwitness-events.5", "r");
	size_t length;

	if (documents == NULL || file == NULL)
		return -1;
	documents->schema = json_load_file(PROJECT_DIR "/doc/events.schema.json", JSON_REJECT_DUPLICATES, NULL);
	documents->page = calloc(1, 1 << 18);
	length = fread(documents->page, 1, (1 << 18) - 1, file);
	fclose(file);
	*state = documents;
	return documents->schema == NULL || length == 0;
}

static int drop_documents(void **state)
{
	struct documents *documents = *state;

	json_decref(documents->schema);
	free(documents->page);
	free(documents);
	return 0;
}

/* name is in the enum of that definition, and the page has an item for it: ".It Cm name" or ".It name". */
static void expect_name(const struct documents *documents, const char *definition, const char *name)
{
	json_t *names =
		json_object_get(json_object_get(json_object_get(documents->schema, "$defs"), definition), "enum");
	bool found = false;
	size_t index;
	json_t *value;
	char item[96];

	json_array_foreach(names, index, value) found |= strcmp(json_string_value(value), name) == 0;
	if (!found)
		fail_msg("events.schema.json: $defs.%s has no %s", definition, name);
	snprintf(item, sizeof(item), "\n.It Cm %s\n", name);
	if (strstr(documents->page, item) == NULL)
		fail_msg("tcpwitness-events.5: no item for %s (%s)", name, definition);
}

static void expect_size(const struct documents *documents, const char *definition, size_t size)
{
	json_t *names =
		json_object_get(json_object_get(json_object_get(documents->schema, "$defs"), definition), "enum");

	if (json_array_size(names) != size)
		fail_msg("events.schema.json: $defs.%s has %zu names, the program %zu", definition,
			 json_array_size(names), size);
}

static void states_and_what_moves_them(void **state)
{
	for (unsigned i = 0; i < TCPS_COUNT; i++)
		expect_name(*state, "tcp_state_name", tcp_state_name((enum tcp_state)i));
	expect_size(*state, "tcp_state_name", TCPS_COUNT);
	for (unsigned i = 0; i <= TCP_CONTRADICTED; i++)
		expect_name(*state, "certainty", tcp_certainty_name((enum tcp_certainty)i));
	expect_size(*state, "certainty", TCP_CONTRADICTED + 1);
	for (unsigned i = 0; i < CONN_CAUSE_COUNT; i++)
		expect_name(*state, "cause", conn_cause_name((enum conn_cause)i));
	expect_size(*state, "cause", CONN_CAUSE_COUNT);
}

static void what_records_say(void **state)
{
	for (unsigned i = 0; i < CONN_OUTCOME_COUNT; i++)
		expect_name(*state, "outcome", conn_outcome_name((enum conn_outcome)i));
	expect_size(*state, "outcome", CONN_OUTCOME_COUNT);
	for (unsigned i = 0; i <= CONN_ORIGIN_CLOSING; i++)
		expect_name(*state, "origin", conn_origin_name((enum conn_origin)i));
	expect_size(*state, "origin", CONN_ORIGIN_CLOSING + 1);
	for (unsigned i = 0; i <= FLOW_END_INTERIM; i++)
		expect_name(*state, "end_reason", flow_end_reason_name((enum flow_end_reason)i));
	expect_size(*state, "end_reason", FLOW_END_INTERIM + 1);
}

static void anomalies(void **state)
{
	for (unsigned i = 0; i < ANOMALY_COUNT; i++)
		expect_name(*state, "anomaly_name", anomaly_info((enum anomaly)i)->name);
	expect_size(*state, "anomaly_name", ANOMALY_COUNT);
}

static void counters(void **state)
{
	for (unsigned i = FLOW_CLASS_FREE + 1; i < FLOW_CLASS_COUNT; i++)
		expect_name(*state, "flow_class", flow_class_name((enum flow_class)i));
	expect_size(*state, "flow_class", FLOW_CLASS_COUNT - 1);
	for (unsigned i = DECODE_FRAGMENT_HELD + 1; i < DECODE_RESULT_COUNT; i++)
		expect_name(*state, "refusal", decode_result_name((enum decode_result)i));
	expect_size(*state, "refusal", DECODE_RESULT_COUNT - DECODE_FRAGMENT_HELD - 1);
}

/* The word is an argument of a macro somewhere in the page: ".It Cm from , to" explains two. */
static bool is_macro_argument(const char *page, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = page; (at = strstr(at, word)) != NULL; at++) {
		const char *line = at;
		const char *macro;

		while (line > page && line[-1] != '\n')
			line--;
		macro = strstr(line, "Cm ");
		if (*line == '.' && macro != NULL && macro < at && at[-1] == ' ' && strchr(" \n", at[length]) != NULL)
			return true;
	}
	return false;
}

static void expect_keys(const struct documents *documents, json_t *node)
{
	const char *key;
	json_t *value;
	size_t index;

	if (json_is_array(node)) {
		json_array_foreach(node, index, value) expect_keys(documents, value);
		return;
	}
	json_object_foreach(json_object_get(node, "properties"), key, value)
	{
		if (!is_macro_argument(documents->page, key))
			fail_msg("tcpwitness-events.5: the key %s is not explained", key);
	}
	json_object_foreach(node, key, value) expect_keys(documents, value);
}

static void every_key_is_explained(void **state)
{
	struct documents *documents = *state;

	expect_keys(documents, documents->schema);
}

/* "additionalProperties": false at every object with fixed keys; maps name their keys by propertyNames. */
static void expect_closed(json_t *node)
{
	const char *key;
	json_t *value;
	size_t index;

	if (json_is_array(node)) {
		json_array_foreach(node, index, value) expect_closed(value);
		return;
	}
	json_t *type = json_object_get(node, "type");
	if (json_is_string(type) && strcmp(json_string_value(type), "object") == 0 &&
	    json_object_get(node, "$schema") == NULL)
		assert_true(json_is_false(json_object_get(node, "additionalProperties")) ||
			    json_object_get(node, "propertyNames") != NULL);
	json_object_foreach(node, key, value) expect_closed(value);
}

static void the_schema_is_closed(void **state)
{
	struct documents *documents = *state;

	expect_closed(json_object_get(documents->schema, "$defs"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_and_what_moves_them),
		cmocka_unit_test(what_records_say),
		cmocka_unit_test(anomalies),
		cmocka_unit_test(counters),
		cmocka_unit_test(every_key_is_explained),
		cmocka_unit_test(the_schema_is_closed),
	};

	return cmocka_run_group_tests(tests, read_documents, drop_documents);
}
