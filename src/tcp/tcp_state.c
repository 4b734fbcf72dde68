/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/tcp/tcp_state.h"
