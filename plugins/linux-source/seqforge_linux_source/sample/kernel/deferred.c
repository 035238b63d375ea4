// SPDX-License-Identifier: MIT
/*
 * Deferred work: what an interrupt has no time for is queued, and done later
 * by whoever calls deferred_run(). A piece of work is queued at most once; to
 * add it again while it runs makes it run once more afterwards.
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
 * deferred_add - have something done later
 * @queue:	the queue
 * @work:	what is to be done
 *
 * Returns 0, -E_EXIST where it is queued already, or -E_BUSY where the queue
 * takes no new work.
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
 * deferred_cancel - take work back that has not begun
 * @work:	the work
 *
 * Returns whether that was in time. Work that runs is not stopped, but does
 * not run again.
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
 * deferred_run - do some of the work
 * @queue:	the queue
 * @budget:	how many pieces may be done
 *
 * Returns how many were. A budget keeps work that adds itself again and again
 * from holding the processor for ever.
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

/* Do all that is queued, and take nothing new meanwhile. */
void deferred_drain(struct deferred_queue *queue)
{
	struct deferred *work;

	queue->draining = true;
	while ((work = dequeue(queue)) != NULL)
		run_one(queue, work);
	queue->draining = false;
}
