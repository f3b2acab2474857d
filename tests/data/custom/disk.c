/*
 * Does to the disk what others do: `disk junk` writes something into its
 * header, `disk blank` clears both ends, `disk hold` has the kernel keep it
 * until the machine ends, for swap.
 */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/swap.h>
#include <unistd.h>

static char block[65536];

/* The header is in the first page: version, last page, and a mark. */
static void swap_header(off_t size)
{
	uint32_t words[2] = { 1, size / 4096 - 1 };

	memcpy(block + 1024, words, sizeof(words));
	memcpy(block + 4096 - 10, "SWAPSPACE2", 10);
}

int main(int argc, char **argv)
{
	int fd;

	if (argc < 2)
		return 2;
	fd = open("/dev/vda", O_RDWR | O_SYNC);
	if (fd < 0)
		return 3;
	if (!strcmp(argv[1], "junk"))
		memset(block + 1024, 'x', 100);
	if (!strcmp(argv[1], "blank") &&
	    (lseek(fd, -(off_t)sizeof(block), SEEK_END) < 0 ||
	     write(fd, block, sizeof(block)) != sizeof(block) ||
	     lseek(fd, 0, SEEK_SET) < 0))
		return 4;
	if (!strcmp(argv[1], "hold")) {
		swap_header(lseek(fd, 0, SEEK_END));
		lseek(fd, 0, SEEK_SET);
	}
	if (write(fd, block, sizeof(block)) != sizeof(block))
		return 5;
	if (!strcmp(argv[1], "hold") && swapon("/dev/vda", 0) < 0)
		return 6;
	for (;;)
		pause();
}
