/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/tcp/conn_history.h"
