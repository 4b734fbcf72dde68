/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command that gives a run's alarms again: what alarms depend on is in it, the rest is not, and a shell reads every
 * word as it was given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tcpwitness/control/config.h"

enum { MAX_WORDS = 32 };

static struct config load(const char *const words[])
{
	struct config config;
	struct error error = { .text = "" };
	static char *argv[MAX_WORDS + 1];
	int argc = 0;

	for (; words[argc] != NULL; argc++)
		memcpy(&argv[argc], &words[argc], sizeof(argv[0]));
	argv[argc] = NULL;
	if (config_load(&config, argc, argv, &error) != CONFIG_OK)
		fail_msg("%s", error.text);
	return config;
}

static void test_what_decides_is_repeated_and_the_rest_is_not(void **state)
{
	struct config config = load((const char *const[]){ "tcpwitness",
							   "-r",
							   "a.pcap",
							   "-r",
							   "-",
							   "-o",
							   "file:x",
							   "--rules",
							   "here",
							   "--memory",
							   "64M",
							   "--threads",
							   "1",
							   "--set",
							   "flow.timeout.closed=20s",
							   "--set",
							   "hash.seed=7",
							   "--set",
							   "stats.interval=1s",
							   "--events",
							   "flow",
							   NULL });

	(void)state;
	assert_string_equal(config.replay, "tcpwitness -q -r a.pcap -r - --rules here --memory 64M "
					   "--set flow.timeout.closed=20s --events alert");
	assert_string_equal(config.replay_capture, "");
	config_free(&config);
}

static void test_live_a_capture_comes_first(void **state)
{
	struct config config = load((const char *const[]){ "tcpwitness", "-i", "eth 0", "--set", "capture.snaplen=96",
							   "port 80", "or port 443", NULL });

	(void)state;
	assert_string_equal(config.replay, "tcpwitness -q -r alarm.pcap --events alert 'port 80 or port 443'");
	assert_string_equal(config.replay_capture, "tcpdump -i 'eth 0' -w alarm.pcap");
	config_free(&config);
}

/* Asks a real shell what the words are. */
static void test_a_shell_reads_the_words_as_they_were(void **state)
{
	static const char *const path = "it's $(a) \"bad\" `na\\me`; *.pcap";
	struct config config = load((const char *const[]){ "tcpwitness", "-r", path, "tcp[13] & 2 != 0", NULL });
	char command[1024];
	char line[512];
	char expected[512];

	(void)state;
	snprintf(command, sizeof(command), "printf '%%s\\n' %s", strchr(config.replay, ' '));
	FILE *shell = popen(command, "r");
	assert_non_null(shell);
	snprintf(expected, sizeof(expected), "%s\n", path);
	assert_non_null(fgets(line, sizeof(line), shell));
	assert_string_equal(line, "-q\n");
	assert_non_null(fgets(line, sizeof(line), shell));
	assert_string_equal(line, "-r\n");
	assert_non_null(fgets(line, sizeof(line), shell));
	assert_string_equal(line, expected);
	for (unsigned i = 0; i < 3; i++)
		assert_non_null(fgets(line, sizeof(line), shell));
	assert_string_equal(line, "tcp[13] & 2 != 0\n");
	assert_null(fgets(line, sizeof(line), shell));
	assert_int_equal(pclose(shell), 0);
	config_free(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_decides_is_repeated_and_the_rest_is_not),
		cmocka_unit_test(test_live_a_capture_comes_first),
		cmocka_unit_test(test_a_shell_reads_the_words_as_they_were),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
