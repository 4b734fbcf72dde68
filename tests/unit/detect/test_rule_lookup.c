/* SPDX-License-Identifier: BSD-2-Clause */
/* What a rule with exceptions says about one subject, and when: precedence, both sides, the clock of a week. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/detect/rule_exceptions.h"
#include "tcpwitness/detect/ruleset.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

static struct rule_matcher *matcher_of(const char *prefix_text, uint16_t value)
{
	struct rule_match_row row = { .value = value };

	assert_int_equal(ip_prefix_parse(prefix_text, &row.prefix), IP_PREFIX_OK);
	return rule_matcher_create(&row, 1, NULL, NULL);
}

static struct ip_addr addr(const char *text)
{
	struct ip_addr ip;

	assert_true(ip_addr_parse(text, &ip));
	return ip;
}

/* Monday 2026-11-23 00:00 UTC and so many minutes. */
static uint64_t minute_of_week(unsigned minute)
{
	return (UINT64_C(1795392000) + 60 * UINT64_C(1) * minute) * NS_PER_SEC;
}

enum { MON = 0, TUE, WED, THU, FRI, SAT, SUN, DAY = 24 * 60 };

static uint64_t at(unsigned day, unsigned hour, unsigned minute)
{
	return minute_of_week(day * DAY + hour * 60 + minute);
}

static void overrides_are_about_the_judged_side(void **state)
{
	int own = 0;
	int *other = malloc(sizeof(*other));
	struct rule_override override = { .params = other, .enabled = true };
	struct rule_exceptions exceptions = {
		.n_overrides = 1,
		.overrides = &override,
		.override_matcher = matcher_of("10.0.0.0/8", 0),
	};
	struct rule rule = { .enabled = true, .severity = 2, .default_severity = 2, .params = &own };
	struct rule_subject subject = { .target = addr("10.1.1.1"), .source = addr("192.0.2.1") };

	(void)state;
	rule.exceptions = &exceptions;
	assert_ptr_equal(rule_params_for(&rule, &subject), other);
	rule.is_about_source = true;
	assert_ptr_equal(rule_params_for(&rule, &subject), &own);
	subject.source = addr("10.2.2.2");
	subject.target = addr("192.0.2.1");
	assert_ptr_equal(rule_params_for(&rule, &subject), other);
	/* A detector of sources that judges a target as well: that is then what it is about. */
	subject.source = (struct ip_addr){ .version = 0 };
	assert_ptr_equal(rule_params_for(&rule, &subject), &own);
	subject.target = addr("10.1.0.0");
	subject.target_bits = 24;
	assert_ptr_equal(rule_params_for(&rule, &subject), other);
	subject.target_bits = 7; /* more than the override is about */
	assert_ptr_equal(rule_params_for(&rule, &subject), &own);
	/* Without parameters an override changes none. */
	subject.target_bits = 0;
	override.params = NULL;
	assert_ptr_equal(rule_params_for(&rule, &subject), &own);
	rule_matcher_destroy(exceptions.override_matcher);
	free(other);
}

static void a_detector_may_run_for_some_only_or_for_all_but_some(void **state)
{
	struct rule_override override = { .enabled = true };
	struct rule_exceptions exceptions = {
		.n_overrides = 1,
		.overrides = &override,
		.override_matcher = matcher_of("10.0.0.0/8", 0),
	};
	struct rule rule = { .enabled = true, .is_off_elsewhere = true, .exceptions = &exceptions };
	const struct rule_subject inside = { .target = addr("10.1.1.1") };
	const struct rule_subject outside = { .target = addr("11.1.1.1") };

	(void)state;
	assert_int_equal(rule_silence_of(&rule, &inside, 0), RULE_SPEAKS);
	assert_int_equal(rule_silence_of(&rule, &outside, 0), RULE_DISABLED_HERE);
	rule.is_off_elsewhere = false;
	override.enabled = false;
	assert_int_equal(rule_silence_of(&rule, &inside, 0), RULE_DISABLED_HERE);
	assert_int_equal(rule_silence_of(&rule, &outside, 0), RULE_SPEAKS);
	rule_matcher_destroy(exceptions.override_matcher);
}

static void either_side_may_be_allowed(void **state)
{
	struct rule_exceptions exceptions = {
		.allowed = { .sources = matcher_of("192.0.2.5", 0), .targets = matcher_of("2001:db8::/32", 0) },
	};
	struct rule rule = { .enabled = true, .exceptions = &exceptions };
	struct rule_subject subject = { .source = addr("192.0.2.5") };

	(void)state;
	assert_int_equal(rule_silence_of(&rule, &subject, 0), RULE_ALLOWED);
	subject.source = addr("192.0.2.6");
	assert_int_equal(rule_silence_of(&rule, &subject, 0), RULE_SPEAKS);
	subject.target = addr("2001:db8:1::9");
	assert_int_equal(rule_silence_of(&rule, &subject, 0), RULE_ALLOWED);
	subject.target = addr("192.0.2.5"); /* allowed as a source only */
	assert_int_equal(rule_silence_of(&rule, &subject, 0), RULE_SPEAKS);
	rule_matcher_destroy(exceptions.allowed.sources);
	rule_matcher_destroy(exceptions.allowed.targets);
}

static void a_target_is_silent_for_nearly_all_of_its_sources(void **state)
{
	struct rule_exceptions exceptions = { .allowed.sources = matcher_of("10.0.0.0/8", 0) };
	struct rule rule = { .enabled = true, .exceptions = &exceptions };
	const struct rule_subject subject = { .target = addr("192.0.2.1") };
	struct ip_addr sources[16];

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(sources); i++)
		sources[i] = addr(i < 14 ? "10.1.1.1" : "192.0.2.9");
	assert_int_equal(rule_silence_of_sources(&rule, &subject, sources, 16, 0), RULE_ALLOWED);
	sources[3] = addr("2001:db8::1");
	assert_int_equal(rule_silence_of_sources(&rule, &subject, sources, 16, 0), RULE_SPEAKS);
	assert_int_equal(rule_silence_of_sources(&rule, &subject, sources, 0, 0), RULE_SPEAKS);
	rule.enabled = false;
	assert_int_equal(rule_silence_of_sources(&rule, &subject, sources, 16, 0), RULE_DISABLED_HERE);
	rule_matcher_destroy(exceptions.allowed.sources);
}

static void a_window_is_on_the_days_on_which_it_begins(void **state)
{
	static const struct {
		struct rule_quiet quiet;
		unsigned minute; /* of the week */
		bool holds;
	} cases[] = {
		/* Mon-Fri 09:00-17:00 */
		{ { .days = 0x1f, .from_minute = 540, .to_minute = 1020 }, MON * DAY + 539, false },
		{ { .days = 0x1f, .from_minute = 540, .to_minute = 1020 }, MON * DAY + 540, true },
		{ { .days = 0x1f, .from_minute = 540, .to_minute = 1020 }, FRI * DAY + 1019, true },
		{ { .days = 0x1f, .from_minute = 540, .to_minute = 1020 }, FRI * DAY + 1020, false },
		{ { .days = 0x1f, .from_minute = 540, .to_minute = 1020 }, SAT * DAY + 600, false },
		/* Sat 22:00-06:00: over midnight, once. */
		{ { .days = 1 << SAT, .from_minute = 1320, .to_minute = 360 }, SAT * DAY + 60, false },
		{ { .days = 1 << SAT, .from_minute = 1320, .to_minute = 360 }, SAT * DAY + 1320, true },
		{ { .days = 1 << SAT, .from_minute = 1320, .to_minute = 360 }, SUN * DAY + 359, true },
		{ { .days = 1 << SAT, .from_minute = 1320, .to_minute = 360 }, SUN * DAY + 360, false },
		{ { .days = 1 << SAT, .from_minute = 1320, .to_minute = 360 }, SUN * DAY + 1320, false },
		/* Sun 22:00-06:00: over the end of the week. */
		{ { .days = 1 << SUN, .from_minute = 1320, .to_minute = 360 }, MON * DAY + 359, true },
		{ { .days = 1 << SUN, .from_minute = 1320, .to_minute = 360 }, MON * DAY + 360, false },
		{ { .days = 1 << SUN, .from_minute = 1320, .to_minute = 360 }, TUE * DAY + 10, false },
		/* A whole day. */
		{ { .days = 1 << WED, .from_minute = 0, .to_minute = 1440 }, WED * DAY, true },
		{ { .days = 1 << WED, .from_minute = 0, .to_minute = 1440 }, WED * DAY + 1439, true },
		{ { .days = 1 << WED, .from_minute = 0, .to_minute = 1440 }, THU * DAY, false },
		/* East of Greenwich Monday begins on Sunday (UTC), west of it later. */
		{ { .days = 1 << MON, .from_minute = 0, .to_minute = 60, .utc_offset_minutes = 120 },
		  SUN * DAY + 22 * 60,
		  true },
		{ { .days = 1 << MON, .from_minute = 0, .to_minute = 60, .utc_offset_minutes = 120 },
		  MON * DAY,
		  false },
		{ { .days = 1 << MON, .from_minute = 0, .to_minute = 60, .utc_offset_minutes = -210 },
		  MON * DAY + 210,
		  true },
		{ { .days = 1 << SUN, .from_minute = 1320, .to_minute = 360, .utc_offset_minutes = -210 },
		  MON * DAY + 569,
		  true },
		{ { .days = 1 << SUN, .from_minute = 1320, .to_minute = 360, .utc_offset_minutes = -210 },
		  MON * DAY + 570,
		  false },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++)
		assert_int_equal(rule_quiet_holds(&cases[i].quiet, minute_of_week(cases[i].minute)), cases[i].holds);
	/* The first hours of the epoch, a Thursday, seen from where it is still Wednesday. */
	const struct rule_quiet wednesday = {
		.days = 1 << WED,
		.to_minute = 1440,
		.utc_offset_minutes = -60,
	};
	assert_true(rule_quiet_holds(&wednesday, 59 * 60 * NS_PER_SEC));
	assert_false(rule_quiet_holds(&wednesday, 60 * 60 * NS_PER_SEC));
}

/* Minute by minute through a week, against a drawing of the same windows. */
static void every_minute_of_the_week_is_right(void **state)
{
	static const struct rule_quiet windows[] = {
		{ .days = 0x55, .from_minute = 1380, .to_minute = 30, .utc_offset_minutes = 345 },
		{ .days = 0x2a, .from_minute = 0, .to_minute = 1439, .utc_offset_minutes = -600 },
		{ .days = 0x7f, .from_minute = 721, .to_minute = 720, .utc_offset_minutes = 0 },
	};

	(void)state;
	for (size_t w = 0; w < N_ELEMENTS(windows); w++) {
		const struct rule_quiet *quiet = &windows[w];
		bool drawn[7 * DAY] = { false };

		for (int day = 0; day < 7; day++) {
			int length = (quiet->to_minute - quiet->from_minute + DAY - 1) % DAY + 1;
			int first = day * DAY + quiet->from_minute - quiet->utc_offset_minutes;
			for (int i = 0; (quiet->days >> day & 1) != 0 && i < length; i++)
				drawn[(first + i + 7 * DAY) % (7 * DAY)] = true;
		}
		for (unsigned minute = 0; minute < 7 * DAY; minute++)
			assert_int_equal(rule_quiet_holds(quiet, minute_of_week(minute)), drawn[minute]);
	}
}

static void quiet_hours_may_be_for_some(void **state)
{
	struct rule_quiet quiet[] = {
		{ .days = 1 << SUN, .to_minute = 1440, .parties.targets = matcher_of("192.0.2.0/24", 0) },
		{ .days = 1 << SAT, .to_minute = 1440, .is_for_all = true },
	};
	struct rule_exceptions exceptions = { .n_quiet = 2, .quiet = quiet };
	const struct rule rule = { .enabled = true, .exceptions = &exceptions };
	const struct rule_subject inside = { .target = addr("192.0.2.1") };
	const struct rule_subject outside = { .target = addr("198.51.100.1") };

	(void)state;
	assert_int_equal(rule_silence_of(&rule, &inside, at(SUN, 12, 0)), RULE_QUIET_HOURS);
	assert_int_equal(rule_silence_of(&rule, &outside, at(SUN, 12, 0)), RULE_SPEAKS);
	assert_int_equal(rule_silence_of(&rule, &inside, at(MON, 12, 0)), RULE_SPEAKS);
	assert_int_equal(rule_silence_of(&rule, &outside, at(SAT, 12, 0)), RULE_QUIET_HOURS);
	rule_matcher_destroy(quiet[0].parties.targets);
}

static void the_nearer_word_on_severity_counts(void **state)
{
	struct rule_override override = { .enabled = true, .severity = 3 };
	struct rule_class_severity by_class = { .class_name = "spoofed", .severity = 1 };
	struct rule_exceptions exceptions = {
		.n_overrides = 1,
		.overrides = &override,
		.override_matcher = matcher_of("10.0.0.0/8", 0),
		.n_class_severities = 1,
		.class_severities = &by_class,
	};
	struct rule rule = {
		.detector_name = "flood",
		.enabled = true,
		.severity = 2,
		.default_severity = 2,
		.exceptions = &exceptions,
	};
	const struct rule_subject inside = { .target = addr("10.1.1.1") };
	const struct rule_subject outside = { .target = addr("11.1.1.1") };

	(void)state;
	assert_int_equal(rule_severity_for(&rule, &inside, "spoofed", 2), 3);
	assert_int_equal(rule_severity_for(&rule, &outside, "spoofed", 2), 1);
	assert_int_equal(rule_severity_for(&rule, &outside, "", 1), 1); /* the detector's own proposal */
	assert_int_equal(rule_severity_for(&rule, &outside, "other", 3), 3);
	by_class.class_name = "flood"; /* what has no finer class has the detector's name */
	assert_int_equal(rule_severity_for(&rule, &outside, "", 2), 1);
	assert_int_equal(rule_severity_for(&rule, &outside, "spoofed", 2), 2);
	by_class.class_name = "spoofed";
	rule.severity = 1;
	assert_int_equal(rule_severity_for(&rule, &outside, "other", 3), 1);
	override.severity = 0; /* the override is about something else */
	assert_int_equal(rule_severity_for(&rule, &inside, "spoofed", 2), 1);
	assert_int_equal(rule_severity_for(&rule, &inside, "other", 3), 1);
	rule_matcher_destroy(exceptions.override_matcher);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overrides_are_about_the_judged_side),
		cmocka_unit_test(a_detector_may_run_for_some_only_or_for_all_but_some),
		cmocka_unit_test(either_side_may_be_allowed),
		cmocka_unit_test(a_target_is_silent_for_nearly_all_of_its_sources),
		cmocka_unit_test(a_window_is_on_the_days_on_which_it_begins),
		cmocka_unit_test(every_minute_of_the_week_is_right),
		cmocka_unit_test(quiet_hours_may_be_for_some),
		cmocka_unit_test(the_nearer_word_on_severity_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
