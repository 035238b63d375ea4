/* SPDX-License-Identifier: MIT */
#ifndef _LINUX_TEXT_H
#define _LINUX_TEXT_H

#include <linux/base.h>

size_t text_length(const char *text);
size_t text_copy(char *to, const char *from, size_t size);
int text_compare(const char *a, const char *b);
bool text_begins(const char *text, const char *start);
char *text_trim(char *text);
char *text_next_word(char **rest, const char *separators);
int text_to_u64(const char *text, unsigned int base, u64 *value);
size_t text_from_u64(char *to, size_t size, u64 value, unsigned int base);

static inline bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

#endif /* _LINUX_TEXT_H */
