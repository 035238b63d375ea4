// SPDX-License-Identifier: MIT
/*
 * Text that ends in a zero byte. Nothing here allocates memory.
 */
#include <linux/text.h>

size_t text_length(const char *text)
{
	const char *end = text;

	while (*end != '\0')
		end++;
	return (size_t)(end - text);
}

/**
 * text_copy - copy as much of a text as there is room for
 * @to:		where to copy to; always ends in a zero byte unless @size is 0
 * @from:	the text
 * @size:	the room at @to, its zero byte included
 *
 * Returns the length of @from, so that a caller can tell whether it fitted.
 */
size_t text_copy(char *to, const char *from, size_t size)
{
	size_t length = text_length(from);
	size_t i, n;

	if (size == 0)
		return length;

	n = smaller(length, size - 1);
	for (i = 0; i < n; i++)
		to[i] = from[i];
	to[n] = '\0';
	return length;
}

int text_compare(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	return (int)(u8)*a - (int)(u8)*b;
}

bool text_begins(const char *text, const char *start)
{
	while (*start != '\0') {
		if (*text++ != *start++)
			return false;
	}
	return true;
}

/* Cut blanks off the end, and return where the text starts without them. */
char *text_trim(char *text)
{
	size_t length;

	while (is_blank(*text))
		text++;

	length = text_length(text);
	while (length > 0 && is_blank(text[length - 1]))
		length--;
	text[length] = '\0';
	return text;
}

static bool is_one_of(char c, const char *set)
{
	for (; *set != '\0'; set++) {
		if (c == *set)
			return true;
	}
	return false;
}

/**
 * text_next_word - cut the next word off a text
 * @rest:	what is left of the text; moves on
 * @separators:	characters between words
 *
 * Returns the word, or NULL where none is left.
 */
char *text_next_word(char **rest, const char *separators)
{
	char *word = *rest;
	char *end;

	while (*word != '\0' && is_one_of(*word, separators))
		word++;
	if (*word == '\0') {
		*rest = word;
		return NULL;
	}

	for (end = word; *end != '\0' && !is_one_of(*end, separators); end++)
		;
	if (*end != '\0')
		*end++ = '\0';
	*rest = end;
	return word;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 10;
	return -1;
}

/**
 * text_to_u64 - read a number
 * @text:	digits, and nothing else
 * @base:	from 2 to 36
 * @value:	where the number is stored
 *
 * Returns 0, -E_INVAL where that is no number, or -E_RANGE where it is too
 * large.
 */
int text_to_u64(const char *text, unsigned int base, u64 *value)
{
	u64 number = 0;

	if (base < 2 || base > 36 || *text == '\0')
		return -E_INVAL;

	for (; *text != '\0'; text++) {
		int digit = digit_value(*text);

		if (digit < 0 || (unsigned int)digit >= base)
			return -E_INVAL;
		if (number > (UINT64_MAX - (u64)digit) / base)
			return -E_RANGE;
		number = number * base + (u64)digit;
	}
	*value = number;
	return 0;
}

/* Write a number; returns its length, or 0 where it has no room. */
size_t text_from_u64(char *to, size_t size, u64 value, unsigned int base)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	char reversed[64];
	size_t length = 0;
	size_t i;

	if (base < 2 || base > 36)
		return 0;

	do {
		reversed[length++] = digits[value % base];
		value /= base;
	} while (value != 0);

	if (length + 1 > size)
		return 0;
	for (i = 0; i < length; i++)
		to[i] = reversed[length - 1 - i];
	to[length] = '\0';
	return length;
}
