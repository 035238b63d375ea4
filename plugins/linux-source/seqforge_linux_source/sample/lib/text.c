// SPDX-License-Identifier: MIT
/*
 * Functions for zero-terminated text, which allocate no memory.
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
 * text_copy - copy as much of a text as fits
 * @to:		destination; always zero-terminated unless @size is 0
 * @from:	the text
 * @size:	size of @to in bytes, including the zero byte
 *
 * Returns the length of @from. If it is less than @size, all of it fits.
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

/* Remove blanks at both ends, and return the new start. */
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
 * text_next_word - split the next word from a text
 * @rest:	the rest of the text; moves past the word
 * @separators:	characters between words
 *
 * Returns the word, or NULL if there is none.
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
 * text_to_u64 - parse a number
 * @text:	text, which consists of digits only
 * @base:	base from 2 to 36
 * @value:	destination of the number
 *
 * Returns 0, -E_INVAL if the text is not a number, or -E_RANGE if the number
 * is too large.
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

/* Format a number. Return its length, or 0 if it does not fit. */
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
