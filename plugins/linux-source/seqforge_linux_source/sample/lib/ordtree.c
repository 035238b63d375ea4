// SPDX-License-Identifier: MIT
/*
 * Ordered trees with the balance of Andersson (1993). Every node has a level.
 * A left child is one level below its parent. A right child is one level below
 * or on the same level, but not two in a row. The operations skew and split
 * restore this balance.
 */
#include <linux/ordtree.h>

/* If the left child is on the level of its parent, rotate to the right. */
static struct ord_node *skew(struct ord_node *node)
{
	struct ord_node *left = node->left;

	if (left == NULL || left->level != node->level)
		return node;
	node->left = left->right;
	left->right = node;
	return left;
}

/* If two right children in a row are on one level, raise the middle node. */
static struct ord_node *split(struct ord_node *node)
{
	struct ord_node *right = node->right;

	if (right == NULL || right->right == NULL)
		return node;
	if (right->right->level != node->level)
		return node;
	node->right = right->left;
	right->left = node;
	right->level++;
	return right;
}

static struct ord_node *insert_below(struct ord_node *root, struct ord_node *node)
{
	if (root == NULL)
		return node;
	if (node->key < root->key)
		root->left = insert_below(root->left, node);
	else
		root->right = insert_below(root->right, node);
	return split(skew(root));
}

/**
 * ord_insert - insert a node into a tree
 * @tree:	the tree
 * @node:	the node, which is in no tree
 * @key:	key of the node; nodes with equal keys keep their order
 */
void ord_insert(struct ord_tree *tree, struct ord_node *node, u64 key)
{
	node->left = NULL;
	node->right = NULL;
	node->key = key;
	node->level = 1;
	tree->root = insert_below(tree->root, node);
	tree->count++;
}

static u32 level_of(const struct ord_node *node)
{
	return node != NULL ? node->level : 0;
}

/* Lower the level of @node after a removal below it, and rebalance. */
static struct ord_node *rebalance(struct ord_node *node)
{
	u32 wanted = (u32)smaller(level_of(node->left), level_of(node->right)) + 1;

	if (wanted < node->level) {
		node->level = wanted;
		if (level_of(node->right) > wanted)
			node->right->level = wanted;
	}

	node = skew(node);
	if (node->right != NULL) {
		node->right = skew(node->right);
		if (node->right->right != NULL)
			node->right->right = skew(node->right->right);
	}
	node = split(node);
	if (node->right != NULL)
		node->right = split(node->right);
	return node;
}

/* Remove the smallest node below @root, and store it in @smallest. */
static struct ord_node *take_smallest(struct ord_node *root,
				      struct ord_node **smallest)
{
	if (root->left == NULL) {
		*smallest = root;
		return root->right;
	}
	root->left = take_smallest(root->left, smallest);
	return rebalance(root);
}

static struct ord_node *remove_below(struct ord_node *root,
				     struct ord_node *node, bool *found)
{
	struct ord_node *heir;

	if (root == NULL)
		return NULL;

	if (root == node) {
		*found = true;
		if (root->right == NULL)
			return root->left;
		root->right = take_smallest(root->right, &heir);
		heir->left = root->left;
		heir->right = root->right;
		heir->level = root->level;
		return rebalance(heir);
	}

	if (node->key < root->key) {
		root->left = remove_below(root->left, node, found);
	} else {
		root->right = remove_below(root->right, node, found);
		/* Rotations may have moved an equal key to the left. */
		if (!*found && node->key == root->key)
			root->left = remove_below(root->left, node, found);
	}
	return *found ? rebalance(root) : root;
}

bool ord_remove(struct ord_tree *tree, struct ord_node *node)
{
	bool found = false;

	tree->root = remove_below(tree->root, node, &found);
	if (found)
		tree->count--;
	return found;
}

struct ord_node *ord_first(const struct ord_tree *tree)
{
	struct ord_node *node = tree->root;

	while (node != NULL && node->left != NULL)
		node = node->left;
	return node;
}

struct ord_node *ord_last(const struct ord_tree *tree)
{
	struct ord_node *node = tree->root;

	while (node != NULL && node->right != NULL)
		node = node->right;
	return node;
}

/* Return the first node with a key of at least @key. */
struct ord_node *ord_at_least(const struct ord_tree *tree, u64 key)
{
	struct ord_node *node = tree->root;
	struct ord_node *best = NULL;

	while (node != NULL) {
		if (node->key >= key) {
			best = node;
			node = node->left;
		} else {
			node = node->right;
		}
	}
	return best;
}
