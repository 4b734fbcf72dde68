/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/detect/detect_engine.h"
