/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/capture/capture.h"
