/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/control/config.h"
