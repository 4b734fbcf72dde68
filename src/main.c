/* SPDX-License-Identifier: BSD-2-Clause */
/* The program: reads what is wanted, does it, and ends with the exit codes of tcpwitness(1). */
#include <stdio.h>

#include "tcpwitness/base/log.h"
#include "tcpwitness/control/check.h"
#include "tcpwitness/control/config.h"
#include "tcpwitness/control/run.h"

static enum exit_code refuse(enum config_result result, const struct error *error)
{
	log_error("%s", error->text);
	if (result != CONFIG_WRONG_USAGE)
		return EXIT_INPUT;
	fputs("Try 'tcpwitness --help'.\n", stderr);
	return EXIT_USAGE;
}

/* Text that was asked for and could not be written is a failure, too (a full disk behind standard output). */
static enum exit_code end_of_text(enum exit_code code)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return code;
	log_error("standard output cannot be written (is the disk full?)");
	return EXIT_OUTPUT;
}

static enum exit_code execute(const struct config *config, const struct error *invalid)
{
	switch (config->command) {
	case COMMAND_RUN:
		return run_execute(config);
	case COMMAND_CHECK:
		return end_of_text(check_execute(config, invalid, stdout, stderr));
	case COMMAND_HELP:
		config_print_help(stdout);
		return end_of_text(EXIT_DONE);
	case COMMAND_VERSION:
		config_print_version(stdout);
		return end_of_text(EXIT_DONE);
	}
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct config config;
	struct error error = { .text = "" };
	enum config_result result = config_load(&config, argc, argv, &error);
	enum exit_code code;

	config_set_up_log(&config);
	if (result == CONFIG_OK || (result == CONFIG_INVALID && config.command == COMMAND_CHECK))
		code = execute(&config, &error);
	else
		code = refuse(result, &error);
	config_free(&config);
	return (int)code;
}
