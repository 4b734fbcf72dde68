/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/decode/anomaly.h"
