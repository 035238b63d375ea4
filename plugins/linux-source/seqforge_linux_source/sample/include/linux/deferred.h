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
	DEFERRED_REQUEUED,	/* queued again while it runs */
};

/**
 * struct deferred - a work item that runs later, in another context
 * @link:	link in the list of a queue
 * @run:	function to call
 * @state:	whether the item is queued, runs, or neither
 * @urgent:	whether the item runs before items that are not urgent
 */
struct deferred {
	struct chain link;
	deferred_fn run;
	enum deferred_state state;
	bool urgent;
};

/**
 * struct deferred_queue - work items in the order in which they run
 * @urgent:	items that run first
 * @normal:	items that run when no urgent item is queued
 * @done:	total number of items that have run
 * @draining:	whether new items are rejected
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
