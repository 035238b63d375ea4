/* SPDX-License-Identifier: MIT */
#ifndef _LINUX_ORDTREE_H
#define _LINUX_ORDTREE_H

#include <linux/base.h>

/**
 * struct ord_node - a node of an ordered tree, embedded in an object
 * @left:	subtree of smaller keys
 * @right:	subtree of larger keys, and of equal keys inserted later
 * @key:	key of the order
 * @level:	distance from the leaves, without red links
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
