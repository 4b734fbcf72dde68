/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a person reads of a run's alarms.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "alarm_list.h"
#include "tcpwitness/base/units.h"

/* 2026-11-20T02:31:45 UTC */
#define START_NS (UINT64_C(1795141905) * NS_PER_SEC)

static struct event_alert alert(uint64_t id, enum alert_phase phase, uint8_t severity, const char *detector)
{
	struct event_alert alert = { .alert_id = id, .phase = phase, .severity = severity, .detector = detector };

	alert.started_ns = START_NS;
	alert.target = (struct alert_target){ .has_port = true, .port = 443 };
	(void)ip_addr_parse("203.0.113.5", &alert.target.ip);
	return alert;
}

static void expect(struct alarm_list *list, const char *text)
{
	char *printed = NULL;
	size_t n_bytes;
	FILE *out = open_memstream(&printed, &n_bytes);

	assert_non_null(out);
	alarm_list_print(list, out);
	fclose(out);
	assert_string_equal(printed, text);
	free(printed);
}

static void test_open_ones_come_first(void **state)
{
	struct alarm_list *list = alarm_list_create();
	struct event_alert over = alert(1, ALERT_RAISED, 1, "syn_flood");
	struct event_alert open = alert(2, ALERT_RAISED, 3, "flash_crowd");
	struct event_alert pair = alert(3, ALERT_RAISED, 2, "time_wait_exhaustion");

	(void)state;
	alarm_list_note(list, &over);
	alarm_list_note(list, &open);
	over.phase = ALERT_CLEARED;
	over.duration_s = 121;
	over.n_reopened = 2;
	alarm_list_note(list, &over);
	(void)ip_addr_parse("2001:db8::5", &pair.target.ip);
	(void)ip_addr_parse("2001:db8::9", &pair.target.client);
	alarm_list_note(list, &pair);
	expect(list, "  open since 2026-11-20 02:31:45 UTC: time_wait_exhaustion, severity 2, "
		     "2001:db8::9 to [2001:db8::5]:443\n"
		     "  open since 2026-11-20 02:31:45 UTC: flash_crowd, severity 3, 203.0.113.5:443\n"
		     "  over, began 2026-11-20 02:31:45 UTC: syn_flood, severity 1, 203.0.113.5:443, lasted 2 min, "
		     "came again 2 times\n");
	alarm_list_destroy(list);
}

static void test_none_is_nothing(void **state)
{
	struct alarm_list *list = alarm_list_create();

	(void)state;
	expect(list, "");
	alarm_list_destroy(list);
}

/* However many there were: what is open is not pushed out by what is over. */
static void test_it_is_bounded(void **state)
{
	struct alarm_list *list = alarm_list_create();
	struct event_alert open = alert(1, ALERT_RAISED, 3, "backscatter");
	char text[4096];

	(void)state;
	open.target = (struct alert_target){ .has_port = false };
	alarm_list_note(list, &open);
	for (uint64_t id = 2; id <= 10000; id++) {
		struct event_alert over = alert(id, ALERT_CLEARED, 1, "syn_flood");
		over.duration_s = 30;
		over.started_ns += id * NS_PER_SEC;
		alarm_list_note(list, &over);
	}
	char *printed = NULL;
	size_t n_bytes;
	FILE *out = open_memstream(&printed, &n_bytes);
	alarm_list_print(list, out);
	fclose(out);
	snprintf(text, sizeof(text), "%.*s", (int)strcspn(printed, "\n"), printed);
	assert_string_equal(text, "  open since 2026-11-20 02:31:45 UTC: backscatter, severity 3, the sensor itself");
	assert_non_null(strstr(printed, "  and 9988 more alarms: see the events\n"));
	free(printed);
	alarm_list_destroy(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_ones_come_first),
		cmocka_unit_test(test_none_is_nothing),
		cmocka_unit_test(test_it_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
