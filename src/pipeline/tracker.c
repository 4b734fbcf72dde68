/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/pipeline/tracker.h"
