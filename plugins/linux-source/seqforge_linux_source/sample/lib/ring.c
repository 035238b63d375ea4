// SPDX-License-Identifier: MIT
/*
 * Queues of bytes. One writer and one reader need no lock, since each of them
 * changes only its own counter.
 */
#include <linux/ring.h>

int ring_init(struct ring *ring, void *buffer, u32 size)
{
	if (buffer == NULL || !is_power_of_two(size))
		return -E_INVAL;

	ring->bytes = buffer;
	ring->size = size;
	ring->written = 0;
	ring->taken = 0;
	return 0;
}

static inline u8 *ring_byte(const struct ring *ring, u32 counter)
{
	return &ring->bytes[counter & (ring->size - 1)];
}

/**
 * ring_write - add bytes at the end of the queue
 * @ring:	the queue
 * @from:	the bytes
 * @count:	number of bytes
 *
 * Returns the number of bytes that were added.
 */
u32 ring_write(struct ring *ring, const void *from, u32 count)
{
	const u8 *source = from;
	u32 n = smaller(count, ring_room(ring));
	u32 i;

	for (i = 0; i < n; i++)
		*ring_byte(ring, ring->written + i) = source[i];
	ring->written += n;
	return n;
}

/**
 * ring_peek - copy bytes from the start of the queue without removing them
 * @ring:	the queue
 * @to:		destination
 * @count:	maximum number of bytes
 *
 * Returns the number of bytes that were copied.
 */
u32 ring_peek(const struct ring *ring, void *to, u32 count)
{
	u8 *target = to;
	u32 n = smaller(count, ring_fill(ring));
	u32 i;

	for (i = 0; i < n; i++)
		target[i] = *ring_byte(ring, ring->taken + i);
	return n;
}

u32 ring_read(struct ring *ring, void *to, u32 count)
{
	u32 n = ring_peek(ring, to, count);

	ring->taken += n;
	return n;
}

u32 ring_discard(struct ring *ring, u32 count)
{
	u32 n = smaller(count, ring_fill(ring));

	ring->taken += n;
	return n;
}

/* Return the position of the first byte @wanted, or -E_AGAIN. */
int ring_find(const struct ring *ring, u8 wanted)
{
	u32 fill = ring_fill(ring);
	u32 i;

	for (i = 0; i < fill; i++) {
		if (*ring_byte(ring, ring->taken + i) == wanted)
			return (int)i;
	}
	return -E_AGAIN;
}
