// SPDX-License-Identifier: MIT
/*
 * Deferred work. An interrupt handler queues work items, and deferred_run()
 * runs them later. An item is queued at most once. If it is added again while
 * it runs, it runs once more afterwards.
 */
#include <linux/deferred.h>

void deferred_queue_init(struct deferred_queue *queue)
{
	chain_init(&queue->urgent);
	chain_init(&queue->normal);
	queue->done = 0;
	queue->draining = false;
}

void deferred_init(struct deferred *work, deferred_fn run, bool urgent)
{
	chain_init(&work->link);
	work->run = run;
	work->state = DEFERRED_IDLE;
	work->urgent = urgent;
}

static void enqueue(struct deferred_queue *queue, struct deferred *work)
{
	struct chain *anchor = work->urgent ? &queue->urgent : &queue->normal;

	chain_append(anchor, &work->link);
	work->state = DEFERRED_QUEUED;
}

/**
 * deferred_add - queue a work item
 * @queue:	the queue
 * @work:	the item
 *
 * Returns 0, -E_EXIST if the item is already queued, or -E_BUSY if the queue
 * accepts no new items.
 */
int deferred_add(struct deferred_queue *queue, struct deferred *work)
{
	if (queue->draining)
		return -E_BUSY;

	switch (work->state) {
	case DEFERRED_IDLE:
		enqueue(queue, work);
		return 0;
	case DEFERRED_RUNNING:
		work->state = DEFERRED_REQUEUED;
		return 0;
	case DEFERRED_QUEUED:
	case DEFERRED_REQUEUED:
		break;
	}
	return -E_EXIST;
}

/**
 * deferred_cancel - remove a work item from its queue
 * @work:	the item
 *
 * Returns whether the item had not yet begun. An item that runs is not
 * stopped, but does not run again.
 */
bool deferred_cancel(struct deferred *work)
{
	switch (work->state) {
	case DEFERRED_QUEUED:
		chain_remove(&work->link);
		work->state = DEFERRED_IDLE;
		return true;
	case DEFERRED_REQUEUED:
		work->state = DEFERRED_RUNNING;
		return true;
	case DEFERRED_IDLE:
	case DEFERRED_RUNNING:
		break;
	}
	return false;
}

static struct deferred *dequeue(struct deferred_queue *queue)
{
	struct chain *link = chain_pop(&queue->urgent);

	if (link == NULL)
		link = chain_pop(&queue->normal);
	if (link == NULL)
		return NULL;
	return holder_of(link, struct deferred, link);
}

static void run_one(struct deferred_queue *queue, struct deferred *work)
{
	work->state = DEFERRED_RUNNING;
	work->run(work);
	queue->done++;

	if (work->state == DEFERRED_REQUEUED)
		enqueue(queue, work);
	else
		work->state = DEFERRED_IDLE;
}

/**
 * deferred_run - run work items
 * @queue:	the queue
 * @budget:	maximum number of items to run
 *
 * Returns the number of items that ran. The budget limits the time that items
 * take which always add themselves again.
 */
size_t deferred_run(struct deferred_queue *queue, size_t budget)
{
	size_t done;

	for (done = 0; done < budget; done++) {
		struct deferred *work = dequeue(queue);

		if (work == NULL)
			break;
		run_one(queue, work);
	}
	return done;
}

/* Run all queued items, and accept no new ones meanwhile. */
void deferred_drain(struct deferred_queue *queue)
{
	struct deferred *work;

	queue->draining = true;
	while ((work = dequeue(queue)) != NULL)
		run_one(queue, work);
	queue->draining = false;
}
