/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/decode/decoder.h"
