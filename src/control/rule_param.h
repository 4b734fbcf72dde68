/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "tcpwitness/detect/detector.h"
#include "value.h"

/* The row of a detector's table with this name, or null. */
const struct rule_param *rule_param_find(const struct detector *detector, const char *name);

/* Stores a text in the detector's parameter struct. False with *problem when it is no legal value. */
bool rule_param_set(const struct rule_param *param, void *params, const char *text, struct error *problem);

/* The value in the parameter struct as rule_param_set reads it. Returns text. */
const char *rule_param_format(const struct rule_param *param, const void *params, char text[static VALUE_TEXT_BYTES]);

/* True when both structs hold the same value. */
bool rule_param_is_equal(const struct rule_param *param, const void *a, const void *b);

/* "1 to 100", or an empty text. Returns text. */
const char *rule_param_range(const struct rule_param *param, char text[static VALUE_RANGE_BYTES]);
