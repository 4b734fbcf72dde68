/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/base/error.h"

#include <stdarg.h>
#include <stdio.h>

int error_set(struct error *error, const char *format, ...)
{
	va_list args;

	if (error == NULL)
		return -1;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return -1;
}
