/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as a summary of another sensor: never a crash, and what is taken is written back as the same bytes, has
 * registers that count to something finite, and can be merged and put into a table.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/detect/summary_table.h"
#include "../../src/detect/summary_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct summary_wire wire;
	static struct summary_wire again;
	static struct merged_summary merged;
	static struct summary_table *table;
	const struct summary_table_config config = { .memory_bytes = 1 << 20, .secret = { 1, 2 }, .n_tables = 1 };

	enum summary_wire_result result = summary_wire_read(data, size, &wire);
	require(strlen(summary_wire_result_name(result)) > 1);
	if (result != SUMMARY_WIRE_OK)
		return 0;
	require(wire.n_bytes <= size);
	uint8_t *bytes = malloc(summary_wire_max_bytes());
	require(bytes != NULL);
	size_t n = summary_wire_write(&wire.key, wire.version, &wire.parts.summary, bytes, summary_wire_max_bytes());
	require(n == wire.n_bytes && memcmp(bytes, data, n) == 0);
	require(summary_wire_read(bytes, n, &again) == SUMMARY_WIRE_OK);
	free(bytes);

	if (table == NULL)
		table = summary_table_create(&config, NULL);
	require(table != NULL);
	summary_table_put(table, &wire.key, wire.version, &wire.parts.summary);
	const struct summary_set set = { .n_parts = 1, .n_tables = 1, .tables = { table } };
	const struct summary *summary = merged_summary_of(&merged, &set, &wire.key);
	if (summary != NULL)
		summary_deserves(summary, (enum summary_kind)wire.key.kind, summary->latest_ns);
	for (int kind = 0; kind < SUMMARY_CROWDS; kind++) {
		if (wire.parts.summary.crowds[kind] == NULL)
			continue;
		struct summary_crowd *crowd = &wire.parts.crowds[kind].spans[0];
		require(summary_crowd_sources(crowd) >= 0);
		summary_crowd_union(crowd, &wire.parts.crowds[kind].spans[1]);
	}
	return 0;
}
