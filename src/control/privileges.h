/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tcpwitness/base/error.h"

/* Main thread, before others start. Both return 0, or -1 with *error filled; a failure must end the program. */

/* Becomes user for good, with no supplementary groups and no capabilities. Null: stays who it is. Needs root. */
int privileges_become(const char *user, struct error *error);

/* Gives up every capability, and what a program started later could gain (PR_SET_NO_NEW_PRIVS). Needs nothing. */
int privileges_give_up(struct error *error);
