// SPDX-License-Identifier: MIT
/*
 * Timers on a hierarchy of wheels (Varghese and Lauck, 1987). The lowest
 * wheel has a slot for each of the next ticks; a slot of the wheel above
 * covers a whole turn of the one below. When a wheel has turned once, the
 * next slot of the one above is dealt out over it. To start and to stop a
 * timer takes the same short time however many there are.
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

/* Hang a timer on the lowest wheel whose turn reaches it. */
static void place(struct wheel *wheel, struct wheel_timer *timer)
{
	u64 time = timer->expires;
	u64 distance;
	unsigned int level = 0;

	if (time <= wheel->now)
		time = wheel->now + 1;
	distance = time - wheel->now;

	/* What lies too far ahead waits in the last slot and is placed anew. */
	if (distance >= WHEEL_REACH) {
		distance = WHEEL_REACH - 1;
		time = wheel->now + distance;
	}

	while (level < WHEEL_LEVELS - 1 && distance >= 1ull << (WHEEL_BITS * (level + 1)))
		level++;
	chain_append(&wheel->slots[level][slot_of(time, level)], &timer->link);
}

/**
 * wheel_start - have a timer fire
 * @wheel:	the wheel
 * @timer:	the timer; started anew where it was started before
 * @expires:	when; a time that has passed means the next tick
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

/* Deal the timers of a slot out over the wheels below. */
static void deal_out(struct wheel *wheel, unsigned int level)
{
	struct chain dealt = CHAIN_INIT(dealt);
	struct chain *link;

	chain_move_all(&dealt, &wheel->slots[level][slot_of(wheel->now, level)]);
	while ((link = chain_pop(&dealt)) != NULL) {
		struct wheel_timer *timer;

		timer = holder_of(link, struct wheel_timer, link);
		/* One that is due now goes where this tick will find it. */
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

	/* Apart first, since a timer that fires may start itself again. */
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
 * wheel_advance - let time pass
 * @wheel:	the wheel
 * @now:	the time, not before the last one
 *
 * Returns how many timers fired.
 */
size_t wheel_advance(struct wheel *wheel, u64 now)
{
	size_t fired = 0;

	while (wheel->now < now) {
		unsigned int level;

		/* With nothing to fire, every tick is like the next. */
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
