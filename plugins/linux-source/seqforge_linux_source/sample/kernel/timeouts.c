// SPDX-License-Identifier: MIT
/*
 * Timers on a hierarchy of wheels (Varghese and Lauck, 1987). The lowest
 * wheel has a slot for each of the next ticks. A slot of a higher wheel covers
 * a whole turn of the wheel below. After each turn of a wheel, the timers of
 * the next slot of the wheel above are distributed over it. Starting and
 * stopping a timer takes constant time.
 */
#include <linux/wheel.h>

#define WHEEL_MASK	(WHEEL_SLOTS - 1u)
#define WHEEL_REACH	(1ull << (WHEEL_BITS * WHEEL_LEVELS))

void wheel_init(struct wheel *wheel, u64 now)
{
	unsigned int level, slot;

	for (level = 0; level < WHEEL_LEVELS; level++) {
		for (slot = 0; slot < WHEEL_SLOTS; slot++)
			chain_init(&wheel->slots[level][slot]);
	}
	wheel->now = now;
	wheel->pending = 0;
}

void wheel_timer_init(struct wheel_timer *timer, wheel_fn fire)
{
	chain_init(&timer->link);
	timer->expires = 0;
	timer->fire = fire;
}

static unsigned int slot_of(u64 time, unsigned int level)
{
	return (unsigned int)(time >> (WHEEL_BITS * level)) & WHEEL_MASK;
}

/* Add a timer to the lowest wheel with a slot for its time. */
static void place(struct wheel *wheel, struct wheel_timer *timer)
{
	u64 time = timer->expires;
	u64 distance;
	unsigned int level = 0;

	if (time <= wheel->now)
		time = wheel->now + 1;
	distance = time - wheel->now;

	/* Timers beyond the last wheel wait in its last slot. */
	if (distance >= WHEEL_REACH) {
		distance = WHEEL_REACH - 1;
		time = wheel->now + distance;
	}

	while (level < WHEEL_LEVELS - 1 && distance >= 1ull << (WHEEL_BITS * (level + 1)))
		level++;
	chain_append(&wheel->slots[level][slot_of(time, level)], &timer->link);
}

/**
 * wheel_start - start a timer, or restart it
 * @wheel:	the wheel
 * @timer:	the timer
 * @expires:	time at which it fires; a time in the past is the next tick
 */
void wheel_start(struct wheel *wheel, struct wheel_timer *timer, u64 expires)
{
	wheel_stop(wheel, timer);
	timer->expires = expires;
	place(wheel, timer);
	wheel->pending++;
}

bool wheel_stop(struct wheel *wheel, struct wheel_timer *timer)
{
	if (!wheel_is_pending(timer))
		return false;
	chain_remove(&timer->link);
	wheel->pending--;
	return true;
}

/* Distribute the timers of a slot over the wheels below. */
static void deal_out(struct wheel *wheel, unsigned int level)
{
	struct chain dealt = CHAIN_INIT(dealt);
	struct chain *link;

	chain_move_all(&dealt, &wheel->slots[level][slot_of(wheel->now, level)]);
	while ((link = chain_pop(&dealt)) != NULL) {
		struct wheel_timer *timer;

		timer = holder_of(link, struct wheel_timer, link);
		/* A timer that is due now goes to the slot of this tick. */
		if (timer->expires <= wheel->now)
			chain_append(&wheel->slots[0][slot_of(wheel->now, 0)], link);
		else
			place(wheel, timer);
	}
}

static size_t fire_slot(struct wheel *wheel)
{
	struct chain due = CHAIN_INIT(due);
	struct chain *link;
	size_t fired = 0;

	/* Detach the list first, since a timer may start itself again. */
	chain_move_all(&due, &wheel->slots[0][slot_of(wheel->now, 0)]);
	while ((link = chain_pop(&due)) != NULL) {
		struct wheel_timer *timer;

		timer = holder_of(link, struct wheel_timer, link);
		wheel->pending--;
		timer->fire(timer);
		fired++;
	}
	return fired;
}

/**
 * wheel_advance - advance the time, and fire timers
 * @wheel:	the wheel
 * @now:	the new time, which is not before the last one
 *
 * Returns the number of timers that fired.
 */
size_t wheel_advance(struct wheel *wheel, u64 now)
{
	size_t fired = 0;

	while (wheel->now < now) {
		unsigned int level;

		/* Without a timer, skip all ticks at once. */
		if (wheel->pending == 0) {
			wheel->now = now;
			break;
		}

		wheel->now++;
		for (level = 1; level < WHEEL_LEVELS; level++) {
			if (slot_of(wheel->now, level - 1) != 0)
				break;
			deal_out(wheel, level);
		}
		fired += fire_slot(wheel);
	}
	return fired;
}
