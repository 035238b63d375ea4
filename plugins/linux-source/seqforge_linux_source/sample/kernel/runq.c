// SPDX-License-Identifier: MIT
/*
 * A fair scheduler. Each task has a virtual time, which advances more slowly
 * for a larger weight. The task with the smallest virtual time runs next. A
 * task that wakes up gets no compensation for the time that it slept: its
 * virtual time becomes at least the smallest of the others.
 */
#include <linux/runq.h>

#define RUNQ_PERIOD_NS		12000000ull
#define RUNQ_SHORTEST_NS	1500000ull
#define RUNQ_GRACE_NS		500000ull

void runq_init(struct run_queue *queue)
{
	queue->ready.root = NULL;
	queue->ready.count = 0;
	queue->current = NULL;
	queue->floor = 0;
	queue->weight = 0;
	queue->switches = 0;
}

/**
 * runq_task_init - prepare a task
 * @task:	the task
 * @number:	number that identifies the task
 * @weight:	share of the processor; the default is RUNQ_NORMAL_WEIGHT
 *
 * Returns 0, or -E_INVAL if the weight is out of bounds.
 */
int runq_task_init(struct run_task *task, s32 number, u32 weight)
{
	if (weight < RUNQ_MIN_WEIGHT || weight > RUNQ_MAX_WEIGHT)
		return -E_INVAL;

	task->virtual_time = 0;
	task->total_time = 0;
	task->weight = weight;
	task->state = TASK_NEW;
	task->number = number;
	return 0;
}

static struct run_task *task_of(struct ord_node *node)
{
	return node != NULL ? holder_of(node, struct run_task, node) : NULL;
}

static u64 to_virtual(const struct run_task *task, u64 nanoseconds)
{
	return nanoseconds * RUNQ_NORMAL_WEIGHT / task->weight;
}

/* Raise the floor to the smallest virtual time. The floor never sinks. */
static void raise_floor(struct run_queue *queue)
{
	struct run_task *first = task_of(ord_first(&queue->ready));
	u64 lowest;

	if (queue->current != NULL) {
		lowest = queue->current->virtual_time;
		if (first != NULL && first->virtual_time < lowest)
			lowest = first->virtual_time;
	} else if (first != NULL) {
		lowest = first->virtual_time;
	} else {
		return;
	}

	if (lowest > queue->floor)
		queue->floor = lowest;
}

static void make_ready(struct run_queue *queue, struct run_task *task)
{
	task->state = TASK_READY;
	ord_insert(&queue->ready, &task->node, task->virtual_time);
}

/**
 * runq_wake - make a task ready to run
 * @queue:	the queue
 * @task:	the task, which must be new or asleep
 *
 * Returns 0, or -E_INVAL if the task is neither.
 */
int runq_wake(struct run_queue *queue, struct run_task *task)
{
	if (task->state != TASK_NEW && task->state != TASK_ASLEEP)
		return -E_INVAL;

	if (task->virtual_time < queue->floor)
		task->virtual_time = queue->floor;
	queue->weight += task->weight;
	make_ready(queue, task);
	return 0;
}

static void leave_cpu(struct run_queue *queue, enum task_state state)
{
	struct run_task *task = queue->current;

	if (task == NULL)
		return;
	task->state = state;
	queue->weight -= task->weight;
	queue->current = NULL;
	raise_floor(queue);
}

void runq_sleep(struct run_queue *queue)
{
	leave_cpu(queue, TASK_ASLEEP);
}

void runq_exit(struct run_queue *queue)
{
	leave_cpu(queue, TASK_GONE);
}

/* Add to the run time of the current task. */
void runq_charge(struct run_queue *queue, u64 nanoseconds)
{
	struct run_task *task = queue->current;

	if (task == NULL)
		return;
	task->total_time += nanoseconds;
	task->virtual_time += to_virtual(task, nanoseconds);
	raise_floor(queue);
}

/**
 * runq_slice - return the time slice of a task
 * @queue:	the queue
 * @task:	a task that is ready or on the CPU
 *
 * Returns the share of the task in a period, in nanoseconds. A minimum limits
 * the cost of switching.
 */
u64 runq_slice(const struct run_queue *queue, const struct run_task *task)
{
	u64 slice;

	if (queue->weight == 0)
		return RUNQ_PERIOD_NS;
	slice = RUNQ_PERIOD_NS * task->weight / queue->weight;
	return slice < RUNQ_SHORTEST_NS ? RUNQ_SHORTEST_NS : slice;
}

/**
 * runq_switch - run the task with the smallest virtual time
 * @queue:	the queue
 *
 * Returns the task that runs now, or NULL if none is ready.
 */
struct run_task *runq_switch(struct run_queue *queue)
{
	struct run_task *last = queue->current;
	struct run_task *next;

	if (last != NULL)
		make_ready(queue, last);

	next = task_of(ord_first(&queue->ready));
	if (next == NULL)
		return NULL;

	ord_remove(&queue->ready, &next->node);
	next->state = TASK_ON_CPU;
	queue->current = next;
	if (next != last)
		queue->switches++;
	raise_floor(queue);
	return next;
}

/* Return whether another task should run instead of the current one. */
bool runq_should_yield(const struct run_queue *queue)
{
	const struct run_task *first = task_of(ord_first(&queue->ready));

	if (first == NULL)
		return false;
	if (queue->current == NULL)
		return true;
	return first->virtual_time + to_virtual(first, RUNQ_GRACE_NS) <
	       queue->current->virtual_time;
}
