/* SPDX-License-Identifier: MIT */
#ifndef _LINUX_RING_H
#define _LINUX_RING_H

#include <linux/base.h>

/**
 * struct ring - a queue of bytes in a buffer of fixed size
 * @bytes:	buffer, which the caller owns
 * @size:	size of the buffer in bytes, a power of two
 * @written:	total number of bytes written; wraps around
 * @taken:	total number of bytes removed; wraps around
 *
 * The difference of the two counters is the number of bytes in the queue. It
 * distinguishes a full queue from an empty one without an unused byte.
 */
struct ring {
	u8 *bytes;
	u32 size;
	u32 written;
	u32 taken;
};

int ring_init(struct ring *ring, void *buffer, u32 size);
u32 ring_write(struct ring *ring, const void *from, u32 count);
u32 ring_peek(const struct ring *ring, void *to, u32 count);
u32 ring_read(struct ring *ring, void *to, u32 count);
u32 ring_discard(struct ring *ring, u32 count);
int ring_find(const struct ring *ring, u8 wanted);

static inline u32 ring_fill(const struct ring *ring)
{
	return ring->written - ring->taken;
}

static inline u32 ring_room(const struct ring *ring)
{
	return ring->size - ring_fill(ring);
}

#endif /* _LINUX_RING_H */
