// SPDX-License-Identifier: MIT
/*
 * Ordered trees, balanced as Arne Andersson described it in 1993: every node
 * has a level, a left child is one level below its parent, a right child one
 * below or on the same, and no two right links in a row stay on a level. Two
 * operations, skew and split, restore all of that.
 */
#include <linux/ordtree.h>

/* A left child on its parent's level: rotate to the right. */
static struct ord_node *skew(struct ord_node *node)
{
	struct ord_node *left = node->left;

	if (left == NULL || left->level != node->level)
		return node;
	node->left = left->right;
	left->right = node;
	return left;
}

/* Two right links on one level: lift the middle one. */
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
 * ord_insert - put a node into a tree
 * @tree:	the tree
 * @node:	the node, which is in no tree
 * @key:	what it is ordered by; nodes of one key stay in their order
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

/* After a removal below @node: bring its level down, and mend what hangs on it. */
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

/* Unhook the smallest node below @root, and store it in @smallest. */
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
		/* Rotations may have brought an equal key to the left. */
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

/* Find the first node whose key is @key or more. */
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
