/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "flow_plain.h"

/*
 * The part of the short way that closes: FINs, what acknowledges them, and what the other end sends before its own FIN,
 * as far as each takes the connection one step further in RFC 9293 figure 12.
 */

/*
 * The segment is a FIN, or one of a flow that closes, and plain in all else. False: it is no plain step of a close.
 * True: seg->close is the step that the flow is at behind it.
 */
bool plain_close_judge(struct plain_segment *seg, const struct plain_rules *rules);

/* Does it, once everything else of the segment is done. The flow has room for struct rest_closing. */
void plain_close_apply(const struct plain_segment *seg, const struct plain_rules *rules);
