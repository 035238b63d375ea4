// SPDX-License-Identifier: MIT
/*
 * A character device from which the written bytes can be read again. It is an
 * example of a driver with open, release, read, write and control.
 */
#include <linux/pool.h>
#include <linux/ring.h>
#include <uapi/linux/echo.h>

#define ECHO_DEVICES	4
#define ECHO_BUFFER	1024u

/**
 * struct echo_device - one device
 * @ring:	queue of the bytes that are written but not yet read
 * @buffer:	memory of the queue
 * @mode:	combination of ECHO_MODE_*
 * @users:	number of users that have opened the device
 * @read:	total number of bytes read
 * @written:	total number of bytes written
 * @lost:	total number of bytes overwritten before they were read
 */
struct echo_device {
	struct ring ring;
	u8 buffer[ECHO_BUFFER];
	u32 mode;
	u32 users;
	u64 read;
	u64 written;
	u64 lost;
};

struct echo_file {
	struct echo_device *device;
	bool may_write;
};

static struct echo_device devices[ECHO_DEVICES];
static struct echo_file file_memory[4 * ECHO_DEVICES];
static struct pool files;

int echo_setup(void);
int echo_open(u32 minor, bool may_write, struct echo_file **opened);
int echo_release(struct echo_file *file);
long echo_read(struct echo_file *file, char *to, size_t count);
long echo_write(struct echo_file *file, const char *from, size_t count);
int echo_control(struct echo_file *file, u32 request, void *argument);

int echo_setup(void)
{
	size_t i;
	int err;

	for (i = 0; i < count_of(devices); i++) {
		struct echo_device *device = &devices[i];

		err = ring_init(&device->ring, device->buffer, ECHO_BUFFER);
		if (err)
			return err;
		device->mode = 0;
		device->users = 0;
	}
	return pool_init(&files, file_memory, sizeof(file_memory),
			 sizeof(file_memory[0]));
}

int echo_open(u32 minor, bool may_write, struct echo_file **opened)
{
	struct echo_file *file;

	if (minor >= count_of(devices))
		return -E_INVAL;

	file = pool_take(&files);
	if (file == NULL)
		return -E_NOMEM;

	file->device = &devices[minor];
	file->device->users++;
	file->may_write = may_write;
	*opened = file;
	return 0;
}

int echo_release(struct echo_file *file)
{
	struct echo_device *device = file->device;

	/* The last user discards the remaining bytes. */
	if (--device->users == 0)
		ring_discard(&device->ring, ring_fill(&device->ring));
	return pool_give(&files, file);
}

/* Return the number of bytes to read: all, or those up to a line end. */
static u32 readable(const struct echo_device *device)
{
	int line_end;

	if (!(device->mode & ECHO_MODE_LINES))
		return ring_fill(&device->ring);
	line_end = ring_find(&device->ring, '\n');
	return line_end < 0 ? 0 : (u32)line_end + 1;
}

long echo_read(struct echo_file *file, char *to, size_t count)
{
	struct echo_device *device = file->device;
	u32 n = (u32)smaller(count, readable(device));

	if (n == 0)
		return count == 0 ? 0 : -E_AGAIN;
	n = ring_read(&device->ring, to, n);
	device->read += n;
	return (long)n;
}

static char to_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static bool write_byte(struct echo_device *device, char c)
{
	if (ring_room(&device->ring) == 0) {
		if (device->mode & ECHO_MODE_ONCE)
			return false;
		device->lost += ring_discard(&device->ring, 1);
	}
	if (device->mode & ECHO_MODE_UPPER)
		c = to_upper(c);
	ring_write(&device->ring, &c, 1);
	return true;
}

long echo_write(struct echo_file *file, const char *from, size_t count)
{
	struct echo_device *device = file->device;
	size_t i;

	if (!file->may_write)
		return -E_INVAL;
	if (count > ECHO_MAX_SIZE)
		count = ECHO_MAX_SIZE;

	for (i = 0; i < count; i++) {
		if (!write_byte(device, from[i]))
			break;
	}
	if (i == 0 && count > 0)
		return -E_NOSPC;
	device->written += i;
	return (long)i;
}

int echo_control(struct echo_file *file, u32 request, void *argument)
{
	struct echo_device *device = file->device;
	struct echo_status *status;
	u32 mode;

	switch (request) {
	case ECHO_GET_STATUS:
		status = argument;
		status->mode = device->mode;
		status->waiting = ring_fill(&device->ring);
		status->read = device->read;
		status->written = device->written;
		status->lost = device->lost;
		return 0;
	case ECHO_SET_MODE:
		mode = *(const u32 *)argument;
		if (mode & ~ECHO_MODE_ALL)
			return -E_INVAL;
		device->mode = mode;
		return 0;
	case ECHO_FLUSH:
		ring_discard(&device->ring, ring_fill(&device->ring));
		return 0;
	default:
		return -E_INVAL;
	}
}
