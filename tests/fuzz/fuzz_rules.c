/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as a rule file and as a configuration file: never a crash, and a text that was taken leaves nothing out of
 * its range. A text that was refused says so in one line without control characters.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/control/config_yaml.h"
#include "tcpwitness/control/rules.h"
#include "tcpwitness/detect/detector.h"
#include "tcpwitness/detect/rule_exceptions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
	if (!holds)
		abort();
}

/* Fit for a terminal, a log and a JSON string. */
static void require_clean(const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++)
		require(*c >= 0x20 && *c != 0x7f);
}

static void require_legal_param(const struct rule_param *param, const void *params)
{
	const char *field = (const char *)params + param->offset;
	uint64_t integer;
	double real;

	switch (param->type) {
	case RULE_PARAM_COUNT:
		memcpy(&integer, field, sizeof(integer));
		require((double)integer >= param->min && (double)integer <= param->max);
		break;
	case RULE_PARAM_DURATION:
		memcpy(&integer, field, sizeof(integer));
		require((double)integer / 1e9 >= param->min && (double)integer / 1e9 <= param->max);
		break;
	case RULE_PARAM_RATE:
	case RULE_PARAM_RATIO:
		memcpy(&real, field, sizeof(real));
		require(real >= param->min && real <= param->max);
		break;
	case RULE_PARAM_FLAG:
		require(*field == 0 || *field == 1);
		break;
	}
}

static void require_legal_params(const struct detector *detector, const void *params)
{
	for (size_t i = 0; i < detector->n_params; i++)
		require_legal_param(&detector->params[i], params);
}

static void require_legal_exceptions(const struct detector *detector, const struct rule_exceptions *exceptions)
{
	for (size_t i = 0; i < exceptions->n_overrides; i++) {
		require(exceptions->overrides[i].severity <= 3);
		if (exceptions->overrides[i].params != NULL)
			require_legal_params(detector, exceptions->overrides[i].params);
	}
	for (size_t i = 0; i < exceptions->n_quiet; i++) {
		require(exceptions->quiet[i].days < 128);
		require(exceptions->quiet[i].from_minute < 1440 && exceptions->quiet[i].to_minute <= 1440);
		require(abs(exceptions->quiet[i].utc_offset_minutes) <= 14 * 60);
	}
	for (size_t i = 0; i < exceptions->n_class_severities; i++)
		require(exceptions->class_severities[i].severity >= 1 && exceptions->class_severities[i].severity <= 3);
}

/* Whatever is asked has an answer, at any time. */
static void require_answers(const struct detector *detector, const struct rule *rule)
{
	struct rule_subject subject = {
		.target = { .bytes = { 192, 0, 2, 1 }, .version = 4 },
		.source = { .bytes = { 0x20, 0x01, 0x0d, 0xb8 }, .version = 6 },
		.has_port = true,
	};

	for (unsigned port = 0; port < 65536; port += 1021) {
		uint8_t severity = rule_severity_for(rule, &subject, detector->name, 2);

		subject.port = (uint16_t)port;
		subject.target_bits = (uint8_t)(port % 33);
		require_legal_params(detector, rule_params_for(rule, &subject));
		require(severity >= 1 && severity <= 3);
		require(rule_silence_of(rule, &subject, (uint64_t)port * 3600000000000) <= RULE_DISABLED_HERE);
	}
}

static void require_legal_rules(const struct ruleset *ruleset)
{
	for (size_t i = 0; detectors[i] != NULL; i++) {
		const struct rule *rule = &ruleset->rules[i];

		require(rule->severity >= 1 && rule->severity <= 3);
		require(rule->signature_id >= 1 && rule->rev >= 1);
		require(rule->signature[0] != '\0' && rule->signature[sizeof(rule->signature) - 1] == '\0');
		require_clean(rule->signature);
		require_clean(rule->category);
		require_clean(rule->mitre_tactic);
		require_legal_params(detectors[i], rule->params);
		if (rule->exceptions != NULL)
			require_legal_exceptions(detectors[i], rule->exceptions);
		require_answers(detectors[i], rule);
	}
}

static void read_rules(const char *text, size_t size)
{
	struct ruleset *ruleset = ruleset_create_default(NULL);
	struct error error = { .text = "" };
	int result;

	require(ruleset != NULL);
	result = rules_load_text(ruleset, "rules", text, size, NULL, &error);
	require((result == 0) == (error.text[0] == '\0'));
	require_clean(error.text);
	require_legal_rules(ruleset);
	ruleset_destroy(ruleset);
}

static void read_config(const char *text, size_t size)
{
	static char program[] = "tcpwitness";
	static char command[] = "check";
	char *words[] = { program, command, NULL };
	struct error error = { .text = "" };
	struct mistakes mistakes = { .name = "config", .error = &error };
	struct config config;

	require(config_load(&config, 2, words, &error) == CONFIG_OK);
	config_yaml_read_text(&config, text, size, &mistakes);
	require((mistakes.n == 0) == (error.text[0] == '\0'));
	require_clean(error.text);
	require(config.n_rules_paths <= CONFIG_MAX_PATHS && config.n_outputs <= CONFIG_MAX_PATHS);
	require(config.pipeline.n_threads >= 1 && config.pipeline.n_threads <= 64);
	require(config.pipeline.decoder.max_depth >= 1 && config.pipeline.decoder.max_depth <= 16);
	for (int i = FLOW_CLASS_FREE + 1; i < FLOW_CLASS_COUNT; i++)
		require(config.pipeline.tracker.table.timeout_ns[i] > 0);
	config_free(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size > 0 ? size : 1); /* no larger than the text: reading beyond it is found */

	require(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	read_rules(text, size);
	read_config(text, size);
	free(text);
	return 0;
}
