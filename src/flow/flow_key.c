/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/flow/flow_key.h"
