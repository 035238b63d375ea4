/* SPDX-License-Identifier: MIT */
#ifndef _LINUX_ORDTREE_H
#define _LINUX_ORDTREE_H

#include <linux/base.h>

/**
 * struct ord_node - a node of an ordered tree, inside the object it orders
 * @left:	the smaller ones
 * @right:	the larger ones, and equal ones that came later
 * @key:	what they are ordered by
 * @level:	distance from the leaves, with red links not counted
 */
struct ord_node {
	struct ord_node *left;
	struct ord_node *right;
	u64 key;
	u32 level;
};

struct ord_tree {
	struct ord_node *root;
	size_t count;
};

void ord_insert(struct ord_tree *tree, struct ord_node *node, u64 key);
bool ord_remove(struct ord_tree *tree, struct ord_node *node);
struct ord_node *ord_first(const struct ord_tree *tree);
struct ord_node *ord_last(const struct ord_tree *tree);
struct ord_node *ord_at_least(const struct ord_tree *tree, u64 key);

static inline bool ord_empty(const struct ord_tree *tree)
{
	return tree->root == NULL;
}

#endif /* _LINUX_ORDTREE_H */
