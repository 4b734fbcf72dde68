/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes as what two honest endpoints and the path between them do (tests/support/endpoint_lab.h). Whatever they do, the
 * tracker must not say "proved" of a state in which an end is not, and its counters must add up.
 * With LAB_TRACE in the environment every input is told, step by step.
 */
#include <stdio.h>
#include <stdlib.h>

#include "endpoint_lab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lab_score score = { 0 };
	FILE *trace = getenv("LAB_TRACE") != NULL ? stderr : NULL;

	const char *problem = lab_run(data, size, 0, trace, &score);
	if (problem != NULL) {
		lab_run(data, size, 0, stderr, &score);
		fprintf(stderr, "%s\n", problem);
		abort();
	}
	return 0;
}
