/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "../../src/pipeline/tracker_internal.h"

/* A copy of the flow that the packet is of, by both ends alone; false: the table has none, and flow stays as it is. */
static inline bool tracked_flow_of(const struct tracker *tracker, const struct packet *packet, struct flow *flow)
{
	const struct flow_key_config *config = &tracker->config.key;
	struct flow_key key;

	flow_key_from_packet(config, packet, &key);
	const struct flow *known = flow_table_find(tracker->table, &key, flow_key_hash(config, &key));
	if (known != NULL)
		*flow = *known;
	flow_table_close(tracker->table);
	return known != NULL;
}
