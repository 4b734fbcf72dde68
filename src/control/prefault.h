/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tcpwitness/base/error.h"

/*
 * Takes from the system the memory that was only promised so far: all that the program has mapped and may write to. So
 * no packet waits for a page, and memory that is not there is missed at start. 0, or -1 with *error filled. Main
 * thread, before the others are started.
 */
int prefault_all(struct error *error);
