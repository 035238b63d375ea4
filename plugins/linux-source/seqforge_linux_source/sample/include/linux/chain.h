/* SPDX-License-Identifier: MIT */
/*
 * A circular doubly linked list. The links are members of the objects that
 * they connect. The anchor belongs to no object. In an empty list it points
 * to itself, so that no operation has a special case.
 */
#ifndef _LINUX_CHAIN_H
#define _LINUX_CHAIN_H

#include <linux/base.h>

struct chain {
	struct chain *after;
	struct chain *before;
};

#define CHAIN_INIT(anchor)	{ &(anchor), &(anchor) }

static inline void chain_init(struct chain *anchor)
{
	anchor->after = anchor;
	anchor->before = anchor;
}

static inline bool chain_empty(const struct chain *anchor)
{
	return anchor->after == anchor;
}

/* Insert @link between two neighbours. */
static inline void chain_splice_in(struct chain *link, struct chain *left,
				   struct chain *right)
{
	link->before = left;
	link->after = right;
	left->after = link;
	right->before = link;
}

static inline void chain_push(struct chain *anchor, struct chain *link)
{
	chain_splice_in(link, anchor, anchor->after);
}

static inline void chain_append(struct chain *anchor, struct chain *link)
{
	chain_splice_in(link, anchor->before, anchor);
}

/* Remove @link from its list, and make it an empty list. */
static inline void chain_remove(struct chain *link)
{
	link->before->after = link->after;
	link->after->before = link->before;
	chain_init(link);
}

/* Remove and return the first link, or NULL if the list is empty. */
static inline struct chain *chain_pop(struct chain *anchor)
{
	struct chain *first = anchor->after;

	if (first == anchor)
		return NULL;
	chain_remove(first);
	return first;
}

/* Move all links of the list @from to the end of the list @to. */
static inline void chain_move_all(struct chain *to, struct chain *from)
{
	if (chain_empty(from))
		return;

	from->after->before = to->before;
	to->before->after = from->after;
	from->before->after = to;
	to->before = from->before;
	chain_init(from);
}

static inline size_t chain_length(const struct chain *anchor)
{
	const struct chain *link;
	size_t length = 0;

	for (link = anchor->after; link != anchor; link = link->after)
		length++;
	return length;
}

#define chain_each(link, anchor) \
	for (link = (anchor)->after; link != (anchor); link = link->after)

/* Iterate over a list whose links the body may remove. */
#define chain_each_removable(link, next, anchor) \
	for (link = (anchor)->after, next = link->after; link != (anchor); \
	     link = next, next = link->after)

#endif /* _LINUX_CHAIN_H */
