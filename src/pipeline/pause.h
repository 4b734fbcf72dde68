/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* Between two looks at what another thread is about to change. */
static inline void pause_processor(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb");
#endif
}
