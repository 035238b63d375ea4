// SPDX-License-Identifier: MIT
/*
 * A log of events in memory. A full log deletes the oldest events to make room
 * for new ones, and counts the deleted events. An event consists of a header
 * and a text, which are consecutive in a ring of bytes.
 */
#include <linux/eventlog.h>
#include <linux/text.h>

static const char *const level_names[] = {
	[EVENT_ERROR]	= "error",
	[EVENT_WARNING]	= "warning",
	[EVENT_NOTICE]	= "notice",
	[EVENT_DEBUG]	= "debug",
};

int event_log_init(struct event_log *log, void *buffer, u32 size)
{
	if (size < 2 * (sizeof(struct event_header) + EVENT_TEXT_MAX))
		return -E_NOSPC;

	log->threshold = EVENT_NOTICE;
	log->next_sequence = 0;
	log->dropped = 0;
	return ring_init(&log->ring, buffer, size);
}

static void forget_oldest(struct event_log *log)
{
	struct event_header header;

	if (ring_read(&log->ring, &header, sizeof(header)) < sizeof(header))
		return;
	ring_discard(&log->ring, header.length);
	log->dropped++;
}

/**
 * event_log_add - add an event
 * @log:	the log
 * @level:	severity; events above the threshold are ignored
 * @time:	time of the event
 * @text:	description, which is truncated if it is too long
 *
 * Returns the number of bytes of the text that are stored.
 */
int event_log_add(struct event_log *log, enum event_level level, u64 time,
		  const char *text)
{
	struct event_header header = {
		.time = time,
		.level = (u8)level,
	};
	u32 needed;

	if (level > log->threshold)
		return 0;

	header.sequence = log->next_sequence++;
	header.length = (u16)smaller(text_length(text), EVENT_TEXT_MAX);
	needed = (u32)sizeof(header) + header.length;

	while (ring_room(&log->ring) < needed)
		forget_oldest(log);

	ring_write(&log->ring, &header, sizeof(header));
	ring_write(&log->ring, text, header.length);
	return header.length;
}

/**
 * event_log_take - read and remove the oldest event
 * @log:	the log
 * @header:	destination of the header
 * @text:	destination of the text
 * @size:	size of @text in bytes
 *
 * Returns the length of the text, -E_AGAIN if the log is empty, or -E_NOSPC if
 * not even an empty text fits.
 */
int event_log_take(struct event_log *log, struct event_header *header,
		   char *text, size_t size)
{
	u32 kept;

	if (size == 0)
		return -E_NOSPC;
	if (ring_read(&log->ring, header, sizeof(*header)) < sizeof(*header))
		return -E_AGAIN;

	kept = ring_read(&log->ring, text, (u32)smaller(header->length, size - 1));
	ring_discard(&log->ring, header->length - kept);
	text[kept] = '\0';
	return (int)kept;
}

const char *event_level_name(enum event_level level)
{
	if ((size_t)level >= count_of(level_names))
		return "unknown";
	return level_names[level];
}

int event_level_parse(const char *name, enum event_level *level)
{
	size_t i;

	for (i = 0; i < count_of(level_names); i++) {
		if (text_compare(name, level_names[i]) == 0) {
			*level = (enum event_level)i;
			return 0;
		}
	}
	return -E_INVAL;
}
