/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/events/community_id.h"
