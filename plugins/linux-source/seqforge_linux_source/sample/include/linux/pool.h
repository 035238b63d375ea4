/* SPDX-License-Identifier: MIT */
#ifndef _LINUX_POOL_H
#define _LINUX_POOL_H

#include <linux/base.h>

struct pool_slot;

/**
 * struct pool - objects of one size, cut from one piece of memory
 * @start:	the memory, which the caller owns
 * @object_size: bytes of an object, rounded up to hold a slot
 * @capacity:	objects in all
 * @used:	objects handed out
 * @free:	the objects that are not
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
