/* SPDX-License-Identifier: BSD-2-Clause */
/* Decides how --help looks: one screen of 80 columns, from the option table. */
#include <stdio.h>

#include "option_table.h"

enum { NAME_COLUMNS = 24 };

void config_print_help(FILE *out)
{
	fputs("Usage: tcpwitness -r FILE [-r FILE ...] [options] [BPF filter]\n"
	      "       tcpwitness -i IFACE [options] [BPF filter]\n"
	      "       tcpwitness check [-c FILE] [--rules PATH]\n"
	      "\n"
	      "Tracks the state of both ends of every TCP connection, and raises alarms when\n"
	      "those states say that something is wrong. Events go to standard output as JSON\n"
	      "lines, everything for people to standard error.\n"
	      "\n",
	      out);
	for (const struct config_option *option = config_options; option->name != NULL; option++) {
		char names[48];

		snprintf(names, sizeof(names), "%c%c%c --%s %s", option->letter != '\0' ? '-' : ' ',
			 option->letter != '\0' ? option->letter : ' ', option->letter != '\0' ? ',' : ' ',
			 option->name, option->argument != NULL ? option->argument : "");
		fprintf(out, "  %-*s %s\n", NAME_COLUMNS, names, option->text);
	}
	fputs("\n"
	      "check validates configuration and rules and reports every mistake.\n"
	      "Exit codes: 0 done, 1 input, configuration or rules, 2 usage, 3 output.\n"
	      "The manual page tcpwitness(1) has the keys of the configuration and examples.\n",
	      out);
}

void config_print_version(FILE *out)
{
	fprintf(out, "tcpwitness %s\n", TCPWITNESS_VERSION);
}
