/*
 * Does to the disk what others do: `disk junk` writes something into its
 * header, `disk blank` clears both ends, `disk hold` keeps it for itself until
 * the machine ends.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static char block[65536];

int main(int argc, char **argv)
{
	int flags = O_RDWR | O_SYNC;
	int fd;

	if (argc < 2)
		return 2;
	if (!strcmp(argv[1], "hold")) {
		flags |= O_EXCL;
		/* Whoever is in the worker's process group dies with it. */
		if (fork() > 0) {
			for (;;)
				pause();
		}
		setpgid(0, 0);
	}
	fd = open("/dev/vda", flags);
	if (fd < 0)
		return 3;
	if (!strcmp(argv[1], "junk"))
		memset(block + 1024, 'x', 100);
	if (!strcmp(argv[1], "blank") &&
	    (lseek(fd, -(off_t)sizeof(block), SEEK_END) < 0 ||
	     write(fd, block, sizeof(block)) != sizeof(block) ||
	     lseek(fd, 0, SEEK_SET) < 0))
		return 4;
	if (strcmp(argv[1], "hold") &&
	    write(fd, block, sizeof(block)) != sizeof(block))
		return 5;
	for (;;)
		pause();
}
