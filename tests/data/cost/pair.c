/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What FutexPingPong and WakeChain do, and nothing else: two processes pass a
 * turn to each other, through a futex word or a pair of pipes, and measure
 * nothing on the way. The time of a turn is what the kernel takes for it and
 * the least that a program adds; tests/cost.rs holds the payload against it.
 *
 * pair futex|pipe [apart]: `apart` puts each of the two on a CPU of its own.
 * A run of work=Custom with one worker.
 */
#define _GNU_SOURCE
#include "../../../docs/pidone_custom.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* Turns of each, of which the first are not timed. */
#define FIRST 1000
#define TURNS 10000

static int pipes[2][2];

static void futex_turn(uint32_t *turn, uint32_t own)
{
	uint32_t seen;

	while ((seen = __atomic_load_n(turn, __ATOMIC_ACQUIRE)) != own)
		syscall(SYS_futex, turn, FUTEX_WAIT, seen, 0, 0, 0);
	__atomic_store_n(turn, 1 - own, __ATOMIC_RELEASE);
	syscall(SYS_futex, turn, FUTEX_WAKE, 1, 0, 0, 0);
}

static int pipe_turn(int own)
{
	char token;

	return read(pipes[own][0], &token, 1) == 1 &&
	       write(pipes[1 - own][1], &token, 1) == 1;
}

static int turns(uint32_t *turn, int own, int n)
{
	while (n--) {
		if (turn)
			futex_turn(turn, (uint32_t)own);
		else if (!pipe_turn(own))
			return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	uint32_t *turn = 0;
	int apart = argc > 2 && !strcmp(argv[2], "apart");
	int own, ok;
	uint64_t begin;

	if (argc < 2)
		return 2;
	if (!strcmp(argv[1], "futex")) {
		turn = mmap(0, 4096, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (turn == MAP_FAILED)
			return 3;
	} else if (pipe(pipes[0]) || pipe(pipes[1]) ||
		   write(pipes[0][1], "", 1) != 1) {
		return 3;
	}
	own = fork() == 0;
	if (apart) {
		cpu_set_t cpu;

		CPU_ZERO(&cpu);
		CPU_SET(own, &cpu);
		if (sched_setaffinity(0, sizeof(cpu), &cpu))
			return 4;
	}
	if (!turns(turn, own, FIRST))
		return 5;
	begin = pidone_now();
	ok = turns(turn, own, TURNS);
	if (own || !ok)
		return ok ? 0 : 5;
	dprintf(PIDONE_REPORT_FD, "iterations %d\nns %llu\n", 2 * TURNS,
		(unsigned long long)(pidone_now() - begin));
	wait(0);
	return 0;
}
