/* SPDX-License-Identifier: MIT */
#ifndef _LINUX_WHEEL_H
#define _LINUX_WHEEL_H

#include <linux/chain.h>

#define WHEEL_BITS	6
#define WHEEL_SLOTS	(1u << WHEEL_BITS)
#define WHEEL_LEVELS	4

struct wheel_timer;

typedef void (*wheel_fn)(struct wheel_timer *timer);

struct wheel_timer {
	struct chain link;
	u64 expires;
	wheel_fn fire;
};

struct wheel {
	struct chain slots[WHEEL_LEVELS][WHEEL_SLOTS];
	u64 now;
	size_t pending;
};

void wheel_init(struct wheel *wheel, u64 now);
void wheel_timer_init(struct wheel_timer *timer, wheel_fn fire);
void wheel_start(struct wheel *wheel, struct wheel_timer *timer, u64 expires);
bool wheel_stop(struct wheel *wheel, struct wheel_timer *timer);
size_t wheel_advance(struct wheel *wheel, u64 now);

static inline bool wheel_is_pending(const struct wheel_timer *timer)
{
	return !chain_empty(&timer->link);
}

#endif /* _LINUX_WHEEL_H */
