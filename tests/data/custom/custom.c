/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A program for the tests of work=Custom: the first argument says what it
 * does. Built without a C library's start-up or any library at all would be
 * smaller; it is an ordinary static program on purpose.
 */
#include "../../../docs/pidone_custom.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

static volatile sig_atomic_t terms;

static void on_term(int signal)
{
	(void)signal;
	terms++;
}

static long number(const char *name)
{
	const char *value = getenv(name);

	return value ? atol(value) : -1;
}

/* Yields and counts until it is told to stop. */
static uint64_t loop(struct pidone_ctl *c)
{
	uint64_t n = 0;

	while (!pidone_stop(c)) {
		uint64_t begin = pidone_now(), end;

		sched_yield();
		end = pidone_now();
		pidone_cost(c, end - begin);
		pidone_wake(c, 1000);
		pidone_count(c, 1, 2, end);
		n++;
	}
	return n;
}

/* All that it was given, as figures. */
static void full(struct pidone_ctl *c)
{
	static uint64_t none;
	uint64_t *region = &none, n;

	if (c->shared_bytes) {
		region = mmap(0, c->shared_bytes, PROT_READ | PROT_WRITE,
			      MAP_SHARED, PIDONE_REGION_FD, 0);
		__atomic_fetch_add(region, 1, __ATOMIC_RELAXED);
	}
	pidone_start(c);
	dprintf(PIDONE_REPORT_FD, "at_start.region %u\n", (unsigned)*region);
	n = loop(c);
	/* The signal follows the stop word. */
	for (int i = 0; i < 100 && !terms; i++)
		usleep(10000);
	dprintf(PIDONE_REPORT_FD,
		"loops %llu\nu64 %llu\ni64 %lld\ni32 %d\nbool %u\nblob %u\n",
		(unsigned long long)n, (unsigned long long)c->cfg.u64s[1],
		(long long)-c->cfg.i64s[2], -c->cfg.i32s[3], c->cfg.bools[0],
		c->cfg.blob[c->cfg.blob_len - 1]);
	dprintf(PIDONE_REPORT_FD,
		"group %ld\nindex %ld\nworkers %ld\nms %ld\npgrp %d\nterms %d\n",
		number("PIDONE_GROUP"), number("PIDONE_INDEX"),
		number("PIDONE_WORKERS"),
		number("PIDONE_DURATION_NS") / 1000000, getpgrp() == getpid(),
		terms);
}

/* Processes that left the group and ignore what is asked of them; `bomb`
 * makes more and more of them. */
static void leave(int bomb)
{
	int left[2];
	char byte;

	if (pipe(left) || fork()) {
		/* It has left when it says so, or ended. */
		close(left[1]);
		while (read(left[0], &byte, 1) < 0)
			;
		close(left[0]);
		return;
	}
	setsid();
	signal(SIGTERM, SIG_IGN);
	close(left[1]);
	for (;;)
		if (bomb)
			fork();
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	write(fd, text, strlen(text));
	close(fd);
}

/* Has frames to the second interface get lost on their way: it gets another
 * address. */
static void lose(void)
{
	struct ifreq request = { .ifr_name = "eth1" };
	unsigned char own[] = { 0x52, 0x54, 0, 0, 0, 2 };
	int fd = socket(AF_PACKET, SOCK_DGRAM, 0);

	own[5]++;
	request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(request.ifr_hwaddr.sa_data, own, sizeof(own));
	ioctl(fd, SIOCSIFHWADDR, &request);
	close(fd);
}

/* Has the kernel show more and more locks in one piece, without a pause, until
 * that takes longer than its watchdog waits: with a threshold of 1 s it sees
 * one of 3.6 s at the latest, since its clock has units of about a second. */
static void lockup(void)
{
	int locks = open("/proc/locks", O_RDONLY);
	struct flock lock = { .l_type = F_WRLCK, .l_len = 1 };
	const struct rlimit most = { 8192, 8192 };
	int next = 300;
	uint64_t begin;
	char name[32], byte;

	setrlimit(RLIMIT_NOFILE, &most);
	for (int files = 1; files < 8000; files++) {
		snprintf(name, sizeof(name), "/tmp/locks-%d", files);
		int file = open(name, O_CREAT | O_RDWR, 0600);

		/* Apart, so that they are not joined; of few in a file, since
		 * each is compared with all others there. */
		for (lock.l_start = 0; lock.l_start < 1000; lock.l_start += 2)
			fcntl(file, F_SETLK, &lock);
		if (files < next)
			continue;
		next += next / 3;
		begin = pidone_now();
		/* Behind the last. */
		pread(locks, &byte, 1, 1L << 40);
		if (pidone_now() - begin > 4000000000ull)
			return;
	}
}

/* How many other programs of this kind there are. */
static int others(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int found = 0;

	while (proc && (entry = readdir(proc))) {
		char name[300], line[16] = "";
		long pid = atol(entry->d_name);

		if (!pid || pid == getpid())
			continue;
		snprintf(name, sizeof(name), "/proc/%s/cmdline", entry->d_name);
		int fd = open(name, O_RDONLY);

		if (fd < 0)
			continue;
		if (read(fd, line, sizeof(line) - 1) > 0 &&
		    !strcmp(line, "/bin/c"))
			found++;
		close(fd);
	}
	return found;
}

int main(int argc, char **argv)
{
	struct pidone_ctl *c = pidone_ctl();
	const char *what = argc > 1 ? argv[1] : "silent";

	if (!c)
		return 2;
	if (!strcmp(what, "full")) {
		signal(SIGTERM, on_term);
		full(c);
	} else if (!strcmp(what, "silent")) {
		/* Knows nothing of pidone: ends by the default action. */
		for (;;)
			sched_yield();
	} else if (!strcmp(what, "deaf")) {
		signal(SIGTERM, SIG_IGN);
		pidone_count(c, 5, 7, pidone_now());
		for (;;)
			pause();
	} else if (!strcmp(what, "crash")) {
		pidone_count(c, 11, 13, pidone_now());
		*(volatile int *)(uintptr_t)c->cfg.u64s[0] = 1;
	} else if (!strcmp(what, "skip")) {
		dprintf(PIDONE_REPORT_FD, "reason no cards in this machine\n");
		return PIDONE_SKIP;
	} else if (!strcmp(what, "malformed")) {
		dprintf(PIDONE_REPORT_FD, "iterations 17\nmine 3\nnonsense\n"
			"work_units 19\n");
	} else if (!strcmp(what, "postcard")) {
		/* Some(300), Some(4), no reason, "a=1\nb=2". */
		static const char report[] =
			"\x01\x01\xac\x02\x01\x04\x00\x07" "a=1\nb=2";

		write(PIDONE_REPORT_FD, report, sizeof(report) - 1);
	} else if (!strcmp(what, "helpers")) {
		/* A helper that would keep the pipe and the page for ever. */
		if (!fork()) {
			signal(SIGTERM, SIG_IGN);
			for (;;)
				pause();
		}
		dprintf(PIDONE_REPORT_FD, "iterations 1\nwork_units 1\n");
	} else if (!strcmp(what, "dies")) {
		if (number("PIDONE_INDEX") == 1)
			return 3;
		pidone_start(c);
	} else if (!strcmp(what, "panic")) {
		pidone_count(c, 23, 29, pidone_now());
		sleep(1);
		put("/proc/sysrq-trigger", "c");
		pause();
	} else if (!strcmp(what, "lockup")) {
		pidone_start(c);
		pidone_count(c, 1, 1, pidone_now());
		lockup();
	} else if (!strcmp(what, "throw")) {
		/* Throws a sched_ext scheduler out. */
		pidone_start(c);
		put("/proc/sysrq-trigger", "S");
		loop(c);
	} else if (!strcmp(what, "lose")) {
		pidone_start(c);
		lose();
		loop(c);
	} else if (!strcmp(what, "leave") || !strcmp(what, "bomb")) {
		leave(!strcmp(what, "bomb"));
		pidone_start(c);
		loop(c);
	} else if (!strcmp(what, "others")) {
		pidone_start(c);
		dprintf(PIDONE_REPORT_FD, "others %d\n", others());
		loop(c);
	} else {
		return 4;
	}
	return 0;
}
