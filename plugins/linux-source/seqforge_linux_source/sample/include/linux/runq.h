/* SPDX-License-Identifier: MIT */
#ifndef _LINUX_RUNQ_H
#define _LINUX_RUNQ_H

#include <linux/ordtree.h>

#define RUNQ_NORMAL_WEIGHT	1024u
#define RUNQ_MIN_WEIGHT		16u
#define RUNQ_MAX_WEIGHT		65536u

enum task_state {
	TASK_NEW,
	TASK_READY,
	TASK_ON_CPU,
	TASK_ASLEEP,
	TASK_GONE,
};

/**
 * struct run_task - a task of the scheduler
 * @node:	node in the tree of ready tasks
 * @virtual_time: run time, divided by the weight of the task
 * @total_time:	run time in nanoseconds
 * @weight:	share of the processor, relative to that of other tasks
 * @state:	whether the task sleeps, is ready, or runs
 * @number:	number that identifies the task
 */
struct run_task {
	struct ord_node node;
	u64 virtual_time;
	u64 total_time;
	u32 weight;
	enum task_state state;
	s32 number;
};

struct run_queue {
	struct ord_tree ready;
	struct run_task *current;
	u64 floor;		/* lower bound of all virtual times */
	u64 weight;		/* of all ready and running tasks */
	u64 switches;
};

void runq_init(struct run_queue *queue);
int runq_task_init(struct run_task *task, s32 number, u32 weight);
int runq_wake(struct run_queue *queue, struct run_task *task);
void runq_sleep(struct run_queue *queue);
void runq_exit(struct run_queue *queue);
void runq_charge(struct run_queue *queue, u64 nanoseconds);
u64 runq_slice(const struct run_queue *queue, const struct run_task *task);
struct run_task *runq_switch(struct run_queue *queue);
bool runq_should_yield(const struct run_queue *queue);

#endif /* _LINUX_RUNQ_H */
