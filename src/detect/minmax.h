/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * As fmax and fmin of figures that are never NaN: those are calls, and a judgement asks for dozens. Of equals the
 * second one, as there.
 */
static inline double greater(double a, double b)
{
	return a > b ? a : b;
}

static inline double lesser(double a, double b)
{
	return a < b ? a : b;
}
