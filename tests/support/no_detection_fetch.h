/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tcpwitness/detect/detect_engine.h"

/* For a test that stands in for the detectors: there is nothing to fetch. */
void detect_source_fetch(const struct detect_source *source, const struct ip_addr *server, uint16_t port,
			 uint64_t now_ns, enum detect_fetch step)
{
	(void)source;
	(void)server;
	(void)port;
	(void)now_ns;
	(void)step;
}
