/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/sinks/event_json.h"
