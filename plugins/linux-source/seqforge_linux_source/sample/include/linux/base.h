/* SPDX-License-Identifier: MIT */
/*
 * Types and small macros for all other files of this sample.
 */
#ifndef _LINUX_BASE_H
#define _LINUX_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

/* Errors are returned as negative numbers. */
#define E_AGAIN		11
#define E_NOMEM		12
#define E_BUSY		16
#define E_EXIST		17
#define E_INVAL		22
#define E_NOSPC		28
#define E_RANGE		34

#define count_of(array)	(sizeof(array) / sizeof((array)[0]))

/* Return the structure that contains a member, given a pointer to the member. */
#define holder_of(pointer, type, member) \
	((type *)(void *)((char *)(pointer) - offsetof(type, member)))

static inline size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

static inline bool is_power_of_two(size_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/* Round up to a multiple of @unit, which must be a power of two. */
static inline size_t round_to(size_t n, size_t unit)
{
	return (n + unit - 1) & ~(unit - 1);
}

#endif /* _LINUX_BASE_H */
