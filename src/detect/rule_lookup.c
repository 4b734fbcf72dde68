/* SPDX-License-Identifier: BSD-2-Clause */
/* Decides what a rule says about one subject: which parameters hold, whether it may speak, how severe it is. */
#include "tcpwitness/detect/ruleset.h"

const void *rule_params_for(const struct rule *rule, const struct rule_subject *subject)
{
	(void)subject;
	return rule->params;
}

enum rule_silence rule_silence_of(const struct rule *rule, const struct rule_subject *subject, uint64_t now_ns)
{
	(void)subject;
	(void)now_ns;
	return rule->enabled ? RULE_SPEAKS : RULE_DISABLED_HERE;
}

/* A severity other than the detector's default is somebody's decision, and holds for better and worse cases alike. */
uint8_t rule_severity_for(const struct rule *rule, const struct rule_subject *subject, const char *class_name,
			  uint8_t proposed)
{
	(void)subject;
	(void)class_name;
	return rule->severity != rule->default_severity ? rule->severity : proposed;
}
