/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/sinks/sink.h"
