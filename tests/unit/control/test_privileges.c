/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process may still do afterwards, in a child so that the test itself keeps what it has. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "privileges.h"

/* Runs body in a child; its result is the child's exit code. */
static int in_child(int (*body)(void))
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(body());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The value of a line of /proc/self/status, in hexadecimal; ~0 when there is none. */
static unsigned long long own_status(const char *name)
{
	char line[256];
	unsigned long long value = ~0ULL;
	FILE *file = fopen("/proc/self/status", "r");

	if (file == NULL)
		return value;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, name, strlen(name)) == 0)
			value = strtoull(line + strlen(name), NULL, 16);
	}
	fclose(file);
	return value;
}

static void skip_without_root(void)
{
	if (geteuid() == 0)
		return;
	print_message("SKIPPED: only root can become another user\n");
	skip();
}

static int has_nothing_left(void)
{
	struct error error;

	if (privileges_give_up(&error) != 0)
		return 1;
	if (own_status("CapPrm:") != 0 || own_status("CapEff:") != 0 || own_status("CapInh:") != 0)
		return 2;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 3;
	return privileges_give_up(&error) == 0 ? 0 : 4; /* again is no error */
}

static void capabilities_are_gone(void **state)
{
	(void)state;
	assert_int_equal(in_child(has_nothing_left), 0);
}

static int is_nobody_for_good(void)
{
	struct error error;

	if (privileges_become("nobody", &error) != 0)
		return 1;
	if (getuid() == 0 || geteuid() == 0 || getgid() == 0 || getegid() == 0 || getgroups(0, NULL) != 0)
		return 2;
	if (own_status("CapPrm:") != 0 || own_status("CapBnd:") != 0)
		return 3;
	if (setuid(0) == 0 || seteuid(0) == 0)
		return 4;
	if (privileges_become("nobody", &error) != 0) /* who is it already need not become it */
		return 5;
	if (privileges_become("root", &error) == 0)
		return 6;
	return privileges_give_up(&error) == 0 ? 0 : 7;
}

static void another_user_is_for_good(void **state)
{
	(void)state;
	skip_without_root();
	assert_int_equal(in_child(is_nobody_for_good), 0);
}

static void no_user_changes_nothing(void **state)
{
	uid_t before = geteuid();

	(void)state;
	assert_int_equal(privileges_become(NULL, NULL), 0);
	assert_int_equal(geteuid(), before);
}

static void an_unknown_user_is_named(void **state)
{
	struct error error = { .text = "" };

	(void)state;
	assert_int_equal(privileges_become("no-such-user", &error), -1);
	assert_string_equal(error.text, "capture.user: no user 'no-such-user' (create it, or name another)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(capabilities_are_gone),
		cmocka_unit_test(another_user_is_for_good),
		cmocka_unit_test(no_user_changes_nothing),
		cmocka_unit_test(an_unknown_user_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
