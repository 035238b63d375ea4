/* SPDX-License-Identifier: MIT */
/*
 * Interface of an echo device for programs.
 */
#ifndef _UAPI_LINUX_ECHO_H
#define _UAPI_LINUX_ECHO_H

#include <stdint.h>

#define ECHO_MAX_SIZE		4096

/* Requests of echo_control(). */
#define ECHO_GET_STATUS		0x4501
#define ECHO_SET_MODE		0x4502
#define ECHO_FLUSH		0x4503

/* Modes, in any combination. */
#define ECHO_MODE_UPPER		(1u << 0)	/* convert to capital letters */
#define ECHO_MODE_LINES		(1u << 1)	/* end a read at a line end */
#define ECHO_MODE_ONCE		(1u << 2)	/* reject bytes when full */
#define ECHO_MODE_ALL		(ECHO_MODE_UPPER | ECHO_MODE_LINES | ECHO_MODE_ONCE)

struct echo_status {
	uint32_t mode;
	uint32_t waiting;	/* number of bytes to read */
	uint64_t read;		/* total bytes read */
	uint64_t written;	/* total bytes written */
	uint64_t lost;		/* bytes overwritten before a read */
};

#endif /* _UAPI_LINUX_ECHO_H */
