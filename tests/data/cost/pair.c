/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The loops of FutexPingPong and of WakeChain with two stages and pipes, in C:
 * two processes pass a turn to each other. tests/cost.rs holds the payload
 * against them.
 *
 * pair bare|measured futex|pipe [apart]
 *
 * `bare` measures nothing on the way. `measured` takes the figures that the
 * payload takes, as cheaply as they can be had: two looks at the clock a turn
 * (when it runs, which is also the stamp that it leaves, and when the wake has
 * returned), and a histogram of each time. `apart` puts each process on a CPU
 * of its own. A run of work=Custom with one worker.
 */
#define _GNU_SOURCE
#include "../../../docs/pidone_custom.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* Turns of each process, of which the first are not timed. */
#define FIRST 1000
#define TURNS 10000

struct hist {
	uint64_t count, sum, min, max, buckets[64 * 59];
};

/* What both processes see. */
struct shared {
	uint32_t turn, pad[15];
	struct {
		uint64_t stamp, turns, pad[6];
	} of[2];
};

static struct shared *shared;
static struct hist wakes, calls;
static int pipes[2][2];

static void record(struct hist *h, uint64_t ns)
{
	int shift = 63 - __builtin_clzll(ns | 64) - 6;

	h->buckets[shift * 64 + (ns >> shift)]++;
	h->count++;
	h->sum += ns;
	if (ns < h->min)
		h->min = ns;
	if (ns > h->max)
		h->max = ns;
}

static int futex_turn(uint32_t own, int measured)
{
	uint64_t run = 0, stamp = 0;
	uint32_t seen;

	while ((seen = __atomic_load_n(&shared->turn, __ATOMIC_ACQUIRE)) != own)
		syscall(SYS_futex, &shared->turn, FUTEX_WAIT, seen, 0, 0, 0);
	if (measured) {
		run = pidone_now();
		stamp = shared->of[own].stamp;
		shared->of[1 - own].stamp = run;
	}
	__atomic_store_n(&shared->turn, 1 - own, __ATOMIC_RELEASE);
	syscall(SYS_futex, &shared->turn, FUTEX_WAKE, 1, 0, 0, 0);
	if (measured) {
		record(&calls, pidone_now() - run);
		record(&wakes, run - stamp);
		shared->of[own].turns++;
	}
	return 1;
}

/* The token is the stamp. */
static int pipe_turn(int own, int measured)
{
	static uint64_t last;
	uint64_t token, run = 0;

	if (read(pipes[own][0], &token, sizeof(token)) != sizeof(token))
		return 0;
	if (measured)
		run = pidone_now();
	if (write(pipes[1 - own][1], &run, sizeof(run)) != sizeof(run))
		return 0;
	if (measured) {
		record(&wakes, run - token);
		if (!own) {
			record(&calls, run - last);
			last = run;
		}
		/* When the next read begins. */
		shared->of[own].stamp = pidone_now();
		shared->of[own].turns++;
	}
	return 1;
}

/* Inlined with constants, so that nothing is left to decide. */
static inline __attribute__((always_inline)) int
turns(int n, int futex, int own, int measured)
{
	while (n--) {
		if (futex)
			futex_turn(own, measured);
		else if (!pipe_turn(own, measured))
			return 0;
	}
	return 1;
}

static int go(int n, int futex, int own, int measured)
{
	if (futex)
		return measured ? turns(n, 1, own, 1) : turns(n, 1, own, 0);
	return measured ? turns(n, 0, own, 1) : turns(n, 0, own, 0);
}

int main(int argc, char **argv)
{
	uint64_t begin, first;
	int own, measured, futex;

	if (argc < 3)
		return 2;
	measured = !strcmp(argv[1], "measured");
	futex = !strcmp(argv[2], "futex");
	shared = mmap(0, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 3;
	first = pidone_now();
	shared->of[0].stamp = first;
	if (!futex && (pipe(pipes[0]) || pipe(pipes[1]) ||
		       write(pipes[0][1], &first, sizeof(first)) < 0))
		return 3;
	own = fork() == 0;
	if (argc > 3 && !strcmp(argv[3], "apart")) {
		cpu_set_t cpu;

		CPU_ZERO(&cpu);
		CPU_SET(own, &cpu);
		if (sched_setaffinity(0, sizeof(cpu), &cpu))
			return 4;
	}
	if (!go(FIRST, futex, own, measured))
		return 5;
	begin = pidone_now();
	if (!go(TURNS, futex, own, measured))
		return 5;
	if (!own) {
		uint64_t ns = pidone_now() - begin;

		dprintf(PIDONE_REPORT_FD,
			"iterations %d\nwork_units %d\nns %llu\nsamples %llu\n",
			2 * TURNS, 2 * TURNS, (unsigned long long)ns,
			(unsigned long long)wakes.count);
		wait(0);
	}
	return 0;
}
