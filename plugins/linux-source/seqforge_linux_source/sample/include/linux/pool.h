/* SPDX-License-Identifier: MIT */
#ifndef _LINUX_POOL_H
#define _LINUX_POOL_H

#include <linux/base.h>

struct pool_slot;

/**
 * struct pool - objects of one size in one piece of memory
 * @start:	start of the memory, which the caller owns
 * @object_size: size of an object in bytes, rounded up to that of a slot
 * @capacity:	number of all objects
 * @used:	number of allocated objects
 * @free:	list of the free objects
 */
struct pool {
	u8 *start;
	size_t object_size;
	size_t capacity;
	size_t used;
	struct pool_slot *free;
};

int pool_init(struct pool *pool, void *memory, size_t bytes, size_t object_size);
void *pool_take(struct pool *pool);
int pool_give(struct pool *pool, void *object);
bool pool_owns(const struct pool *pool, const void *object);

#endif /* _LINUX_POOL_H */
