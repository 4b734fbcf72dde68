/* SPDX-License-Identifier: BSD-2-Clause */
/* Decides how a parameter of a detector is written, from its row in the detector's table. */
#include "rule_param.h"

#include <string.h>

static enum value_type value_type(enum rule_param_type type)
{
	switch (type) {
	case RULE_PARAM_COUNT:
		return VALUE_COUNT;
	case RULE_PARAM_RATE:
		return VALUE_RATE;
	case RULE_PARAM_RATIO:
		return VALUE_RATIO;
	case RULE_PARAM_DURATION:
		return VALUE_DURATION;
	case RULE_PARAM_FLAG:
		return VALUE_FLAG;
	}
	return VALUE_COUNT;
}

static struct value_range value_range(const struct rule_param *param)
{
	return (struct value_range){ .min = param->min, .max = param->max };
}

const struct rule_param *rule_param_find(const struct detector *detector, const char *name)
{
	for (size_t i = 0; i < detector->n_params; i++) {
		if (strcmp(detector->params[i].name, name) == 0)
			return &detector->params[i];
	}
	return NULL;
}

bool rule_param_set(const struct rule_param *param, void *params, const char *text, struct error *problem)
{
	unsigned char *field = (unsigned char *)params + param->offset;
	struct value value;
	bool flag;

	if (!value_parse(value_type(param->type), value_range(param), text, &value, problem))
		return false;
	flag = value.integer != 0;
	switch (param->type) {
	case RULE_PARAM_COUNT:
	case RULE_PARAM_DURATION:
		memcpy(field, &value.integer, sizeof(value.integer));
		break;
	case RULE_PARAM_RATE:
	case RULE_PARAM_RATIO:
		memcpy(field, &value.real, sizeof(value.real));
		break;
	case RULE_PARAM_FLAG:
		memcpy(field, &flag, sizeof(flag));
		break;
	}
	return true;
}

const char *rule_param_format(const struct rule_param *param, const void *params, char text[static VALUE_TEXT_BYTES])
{
	const unsigned char *field = (const unsigned char *)params + param->offset;
	struct value value = { .integer = 0 };
	bool flag;

	switch (param->type) {
	case RULE_PARAM_COUNT:
	case RULE_PARAM_DURATION:
		memcpy(&value.integer, field, sizeof(value.integer));
		break;
	case RULE_PARAM_RATE:
	case RULE_PARAM_RATIO:
		memcpy(&value.real, field, sizeof(value.real));
		break;
	case RULE_PARAM_FLAG:
		memcpy(&flag, field, sizeof(flag));
		value.integer = flag;
		break;
	}
	return value_format(value_type(param->type), &value, text);
}

static size_t field_bytes(enum rule_param_type type)
{
	switch (type) {
	case RULE_PARAM_COUNT:
	case RULE_PARAM_DURATION:
		return sizeof(uint64_t);
	case RULE_PARAM_RATE:
	case RULE_PARAM_RATIO:
		return sizeof(double);
	case RULE_PARAM_FLAG:
		return sizeof(bool);
	}
	return 0;
}

bool rule_param_is_equal(const struct rule_param *param, const void *a, const void *b)
{
	return memcmp((const char *)a + param->offset, (const char *)b + param->offset, field_bytes(param->type)) == 0;
}

const char *rule_param_range(const struct rule_param *param, char text[static VALUE_RANGE_BYTES])
{
	return value_format_range(value_type(param->type), value_range(param), text);
}
