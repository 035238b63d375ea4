/* SPDX-License-Identifier: MIT */
#ifndef _LINUX_EVENTLOG_H
#define _LINUX_EVENTLOG_H

#include <linux/ring.h>

enum event_level {
	EVENT_ERROR,
	EVENT_WARNING,
	EVENT_NOTICE,
	EVENT_DEBUG,
};

#define EVENT_TEXT_MAX	120

struct event_header {
	u64 time;
	u32 sequence;
	u16 length;
	u8 level;
	u8 reserved;
};

struct event_log {
	struct ring ring;
	enum event_level threshold;
	u32 next_sequence;
	u32 dropped;
};

int event_log_init(struct event_log *log, void *buffer, u32 size);
int event_log_add(struct event_log *log, enum event_level level, u64 time,
		  const char *text);
int event_log_take(struct event_log *log, struct event_header *header,
		   char *text, size_t size);
const char *event_level_name(enum event_level level);
int event_level_parse(const char *name, enum event_level *level);

#endif /* _LINUX_EVENTLOG_H */
