/* SPDX-License-Identifier: MIT */
#ifndef _LINUX_DEFERRED_H
#define _LINUX_DEFERRED_H

#include <linux/chain.h>

struct deferred;

typedef void (*deferred_fn)(struct deferred *work);

enum deferred_state {
	DEFERRED_IDLE,
	DEFERRED_QUEUED,
	DEFERRED_RUNNING,
	DEFERRED_REQUEUED,	/* queued again while it ran */
};

/**
 * struct deferred - something to be done later, and not here
 * @link:	its place in a queue
 * @run:	what is to be done
 * @state:	whether it waits, runs, or neither
 * @urgent:	whether it goes before what is not
 */
struct deferred {
	struct chain link;
	deferred_fn run;
	enum deferred_state state;
	bool urgent;
};

/**
 * struct deferred_queue - work in the order in which it is to be done
 * @urgent:	what goes first
 * @normal:	what goes when nothing urgent is left
 * @done:	how much was ever done
 * @draining:	whether new work is refused
 */
struct deferred_queue {
	struct chain urgent;
	struct chain normal;
	u64 done;
	bool draining;
};

void deferred_queue_init(struct deferred_queue *queue);
void deferred_init(struct deferred *work, deferred_fn run, bool urgent);
int deferred_add(struct deferred_queue *queue, struct deferred *work);
bool deferred_cancel(struct deferred *work);
size_t deferred_run(struct deferred_queue *queue, size_t budget);
void deferred_drain(struct deferred_queue *queue);

#endif /* _LINUX_DEFERRED_H */
