// SPDX-License-Identifier: MIT
/*
 * Pools of objects of one size. A free object contains the link to the next
 * free one, so that a pool needs no memory except its objects.
 */
#include <linux/pool.h>

struct pool_slot {
	struct pool_slot *next;
};

/**
 * pool_init - divide a piece of memory into objects
 * @pool:	the pool
 * @memory:	the memory, aligned for a pointer
 * @bytes:	size of the memory in bytes
 * @object_size: size of an object in bytes
 *
 * Returns 0, or -E_INVAL if not even one object fits.
 */
int pool_init(struct pool *pool, void *memory, size_t bytes, size_t object_size)
{
	size_t i;

	object_size = round_to(larger(object_size, sizeof(struct pool_slot)),
			       sizeof(void *));
	if (memory == NULL || bytes < object_size)
		return -E_INVAL;

	pool->start = memory;
	pool->object_size = object_size;
	pool->capacity = bytes / object_size;
	pool->used = 0;
	pool->free = NULL;

	/* Start at the end, so that the first objects are allocated first. */
	for (i = pool->capacity; i-- > 0;) {
		struct pool_slot *slot = (void *)(pool->start + i * object_size);

		slot->next = pool->free;
		pool->free = slot;
	}
	return 0;
}

void *pool_take(struct pool *pool)
{
	struct pool_slot *slot = pool->free;

	if (slot == NULL)
		return NULL;
	pool->free = slot->next;
	pool->used++;
	return slot;
}

bool pool_owns(const struct pool *pool, const void *object)
{
	const u8 *address = object;
	size_t offset;

	if (address < pool->start)
		return false;
	offset = (size_t)(address - pool->start);
	return offset < pool->capacity * pool->object_size &&
	       offset % pool->object_size == 0;
}

int pool_give(struct pool *pool, void *object)
{
	struct pool_slot *slot = object;

	if (!pool_owns(pool, object) || pool->used == 0)
		return -E_INVAL;
	slot->next = pool->free;
	pool->free = slot;
	pool->used--;
	return 0;
}
