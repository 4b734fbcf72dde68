/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/events/sensor_event.h"
