/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/pipeline/pipeline.h"
