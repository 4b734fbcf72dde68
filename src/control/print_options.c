/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For developers, not installed: prints what the program's tables say, in the form in which documents want it. Usage:
 * tw_print_options options|keys|rules (mdoc lists for tcpwitness(1), or the default rules as YAML).
 */
#include <stdio.h>
#include <string.h>

#include "option_table.h"
#include "tcpwitness/control/rules.h"

static void print_options(void)
{
	puts(".Bl -tag -width Ds");
	for (const struct config_option *option = config_options; option->name != NULL; option++) {
		printf(".It ");
		if (option->letter != '\0')
			printf("Fl %c , ", option->letter);
		printf("Fl -%s%s%s\n%s\n", option->name, option->argument != NULL ? " Ar " : "",
		       option->argument != NULL ? option->argument : "", option->text);
	}
	puts(".El");
}

static void print_keys(const struct config *config)
{
	puts(".Bl -tag -width Ds");
	for (const struct config_option *option = config_options; option->name != NULL || option->key != NULL;
	     option++) {
		char value[OPTION_TEXT_BYTES];
		char range[VALUE_RANGE_BYTES] = "";

		if (option->key == NULL)
			continue;
		option_format(option, config, value);
		if (option->type <= OPTION_RATIO)
			value_format_range((enum value_type)option->type, option->range, range);
		printf(".It Cm %s%s%s\n%s", option->key, value[0] != '\0' ? " : No " : "", value, option->text);
		printf("%s%s%s.\n", range[0] != '\0' ? " (" : "", range, range[0] != '\0' ? ")" : "");
	}
	puts(".El");
}

int main(int argc, char **argv)
{
	static char program[] = "tcpwitness";
	static char command[] = "check";
	char *defaults[] = { program, command, NULL };
	const char *what = argc == 2 ? argv[1] : "";
	struct config config;
	int code = 0;

	if (config_load(&config, 2, defaults, NULL) != CONFIG_OK) {
		code = 1;
	} else if (strcmp(what, "options") == 0) {
		print_options();
	} else if (strcmp(what, "keys") == 0) {
		print_keys(&config);
	} else if (strcmp(what, "rules") == 0) {
		rules_print_defaults(stdout);
	} else {
		fputs("usage: tw_print_options options|keys|rules\n", stderr);
		code = 2;
	}
	config_free(&config);
	return code;
}
