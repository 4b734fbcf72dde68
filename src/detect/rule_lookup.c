/* SPDX-License-Identifier: BSD-2-Clause */
/* Decides what a rule says about one subject: which parameters hold, whether it may speak, how severe it is. */
#include <string.h>

#include "tcpwitness/detect/rule_exceptions.h"
#include "tcpwitness/detect/ruleset.h"

/* A host is the longest prefix; 0 bits stand for that, too. */
static struct ip_prefix prefix_of(const struct ip_addr *ip, uint8_t bits)
{
	return ip_prefix_of(ip, bits != 0 ? bits : ip_prefix_max_bits(ip));
}

static struct rule_match_key target_key(const struct rule_subject *subject)
{
	return (struct rule_match_key){
		.prefix = prefix_of(&subject->target, subject->target_bits),
		.has_port = subject->has_port,
		.port = subject->port,
	};
}

static struct rule_match_key source_key(const struct rule_subject *subject)
{
	return (struct rule_match_key){
		.prefix = prefix_of(&subject->source, 0),
		.has_port = subject->has_port,
		.port = subject->port,
	};
}

/* The most specific override for the subject, or null. */
static const struct rule_override *find_override(const struct rule *rule, const struct rule_subject *subject)
{
	const struct rule_exceptions *exceptions = rule->exceptions;
	struct rule_match_key key;
	int index;

	if (exceptions == NULL || exceptions->override_matcher == NULL)
		return NULL;
	key = rule->is_about_source && subject->source.version != 0 ? source_key(subject) : target_key(subject);
	index = rule_matcher_find(exceptions->override_matcher, &key);
	return index < 0 ? NULL : &exceptions->overrides[index];
}

static bool is_party(const struct rule_parties *parties, const struct rule_subject *subject)
{
	const struct rule_match_key target = target_key(subject);
	const struct rule_match_key source = source_key(subject);

	return rule_matcher_find(parties->targets, &target) >= 0 || rule_matcher_find(parties->sources, &source) >= 0;
}

const void *rule_params_for(const struct rule *rule, const struct rule_subject *subject)
{
	const struct rule_override *override = find_override(rule, subject);

	return override != NULL && override->params != NULL ? override->params : rule->params;
}

/* Whether the lists of those who are allowed, and of quiet hours, meet the subject. */
static enum rule_silence silence_of_lists(const struct rule_exceptions *exceptions, const struct rule_subject *subject,
					  uint64_t now_ns)
{
	if (exceptions == NULL)
		return RULE_SPEAKS;
	if (is_party(&exceptions->allowed, subject))
		return RULE_ALLOWED;
	for (size_t i = 0; i < exceptions->n_quiet; i++) {
		const struct rule_quiet *quiet = &exceptions->quiet[i];
		if (rule_quiet_holds(quiet, now_ns) && (quiet->is_for_all || is_party(&quiet->parties, subject)))
			return RULE_QUIET_HOURS;
	}
	return RULE_SPEAKS;
}

enum rule_silence rule_silence_of(const struct rule *rule, const struct rule_subject *subject, uint64_t now_ns)
{
	const struct rule_override *override = find_override(rule, subject);

	if (!(override != NULL ? override->enabled : rule->enabled && !rule->is_off_elsewhere))
		return RULE_DISABLED_HERE;
	return silence_of_lists(rule->exceptions, subject, now_ns);
}

enum rule_silence rule_silence_of_sources(const struct rule *rule, const struct rule_subject *subject,
					  const struct ip_addr *sources, size_t n_sources, uint64_t now_ns)
{
	enum rule_silence silence = rule_silence_of(rule, subject, now_ns);
	struct rule_subject with_source = *subject;
	enum rule_silence reason = RULE_SPEAKS;
	size_t n_silent = 0;

	if (silence != RULE_SPEAKS || rule->exceptions == NULL)
		return silence;
	for (size_t i = 0; i < n_sources; i++) {
		with_source.source = sources[i];
		enum rule_silence of_source = silence_of_lists(rule->exceptions, &with_source, now_ns);
		if (of_source == RULE_SPEAKS)
			continue;
		reason = of_source;
		n_silent++;
	}
	return n_silent > 0 && n_silent * 8 >= n_sources * 7 ? reason : RULE_SPEAKS;
}

/*
 * The more it is about this very alarm, the more it counts: an entry about the target, one about the class, the rule's
 * severity where it is not the default (then it is somebody's decision, for better and worse cases alike), and what the
 * detector proposes.
 */
uint8_t rule_severity_for(const struct rule *rule, const struct rule_subject *subject, const char *class_name,
			  uint8_t proposed)
{
	const struct rule_exceptions *exceptions = rule->exceptions;
	const struct rule_override *override = find_override(rule, subject);

	if (class_name[0] == '\0')
		class_name = rule->detector_name;
	if (override != NULL && override->severity != 0)
		return override->severity;
	for (size_t i = 0; exceptions != NULL && i < exceptions->n_class_severities; i++)
		if (strcmp(exceptions->class_severities[i].class_name, class_name) == 0)
			return exceptions->class_severities[i].severity;
	return rule->severity != rule->default_severity ? rule->severity : proposed;
}
