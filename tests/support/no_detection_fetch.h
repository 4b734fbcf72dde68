/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tcpwitness/detect/detect_engine.h"

/* For a test that stands in for the detectors: there is nothing to fetch. */
void detect_source_fetch(const struct detect_source *source, struct detect_expected *expected, uint64_t now_ns,
			 enum detect_fetch step)
{
	(void)source;
	(void)expected;
	(void)now_ns;
	(void)step;
}
