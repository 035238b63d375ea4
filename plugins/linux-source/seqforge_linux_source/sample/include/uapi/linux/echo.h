/* SPDX-License-Identifier: MIT */
/*
 * What programs may ask of an echo device.
 */
#ifndef _UAPI_LINUX_ECHO_H
#define _UAPI_LINUX_ECHO_H

#include <stdint.h>

#define ECHO_MAX_SIZE		4096

/* Requests of echo_control(). */
#define ECHO_GET_STATUS		0x4501
#define ECHO_SET_MODE		0x4502
#define ECHO_FLUSH		0x4503

/* Modes; any of them together. */
#define ECHO_MODE_UPPER		(1u << 0)	/* letters become capitals */
#define ECHO_MODE_LINES		(1u << 1)	/* a read ends at a line's end */
#define ECHO_MODE_ONCE		(1u << 2)	/* what is full takes no more */
#define ECHO_MODE_ALL		(ECHO_MODE_UPPER | ECHO_MODE_LINES | ECHO_MODE_ONCE)

struct echo_status {
	uint32_t mode;
	uint32_t waiting;	/* bytes that can be read */
	uint64_t read;		/* bytes ever read */
	uint64_t written;	/* bytes ever written */
	uint64_t lost;		/* bytes overwritten before they were read */
};

#endif /* _UAPI_LINUX_ECHO_H */
