/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "tcpwitness/base/error.h"

/*
 * Collects the mistakes found in one text: all go to report, the first one also into *error. Reading goes on after
 * a mistake, so that a person can mend a file in one go.
 */
struct mistakes {
	const char *name;    /* of the file, for the messages; borrowed */
	FILE *report;        /* null = nobody wants them all */
	struct error *error; /* null is legal */
	unsigned n;          /* so far */
	bool is_held;        /* nothing is told before mistakes_tell, and then in the order of the places */
	struct mistake *held;
};

/* Adds "name:line:column: text". Lines and columns count from 1; line 0 leaves the position out. */
void mistakes_add(struct mistakes *mistakes, unsigned line, unsigned column, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Tells what was held, and returns how many mistakes there were. */
unsigned mistakes_tell(struct mistakes *mistakes, FILE *report, struct error *error);

/* Gives back what is held, told or not. */
void mistakes_forget(struct mistakes *mistakes);
