/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/events/event_queue.h"
