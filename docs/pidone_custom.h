/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What a program that is run as `work=Custom custom.exec=...` is given.
 * docs/custom.md is the contract. Everything here is optional: a program that
 * knows nothing of it runs too.
 */
#ifndef PIDONE_CUSTOM_H
#define PIDONE_CUSTOM_H

#include <linux/futex.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PIDONE_MAGIC 0x31444950u /* "PID1" */
#define PIDONE_ABI 1u
#define PIDONE_CTL_FD 3
#define PIDONE_REPORT_FD 4
#define PIDONE_REGION_FD 5
#define PIDONE_RING 8192u
#define PIDONE_SKIP 75

struct pidone_cfg {
	uint64_t u64s[4];
	int64_t i64s[4];
	int32_t i32s[4];
	uint8_t bools[4];
	uint32_t blob_len;
	uint8_t blob[256];
};

struct pidone_ctl {
	uint32_t magic, abi, size, ring_len;
	uint32_t ready, start, stop, pad0; /* futexes, shared */
	uint64_t shared_bytes, pad1[3];
	uint64_t iterations, work_units, progress_ns, pad2[5];
	struct pidone_cfg cfg;
	uint64_t pad3[5];
	uint64_t wake_count, pad4[7]; /* samples ever written */
	uint64_t cost_count, pad5[439];
	uint64_t wake[PIDONE_RING], cost[PIDONE_RING]; /* ns, unsorted */
};

_Static_assert(sizeof(struct pidone_cfg) == 344, "cfg");
_Static_assert(sizeof(struct pidone_ctl) == 4096 + 16 * PIDONE_RING, "ctl");

/* The page, or NULL outside of pidone. */
static inline struct pidone_ctl *pidone_ctl(void)
{
	struct pidone_ctl *c = mmap(0, sizeof(*c), PROT_READ | PROT_WRITE,
				    MAP_SHARED, PIDONE_CTL_FD, 0);

	if (c == MAP_FAILED || c->magic != PIDONE_MAGIC || c->abi != PIDONE_ABI)
		return 0;
	return c;
}

static inline int pidone_stop(struct pidone_ctl *c)
{
	return __atomic_load_n(&c->stop, __ATOMIC_ACQUIRE) != 0;
}

/* For custom.start=ready: says that it is set up and waits for the start.
 * Returns whether to go on. */
static inline int pidone_start(struct pidone_ctl *c)
{
	struct timespec tenth = { 0, 100000000 };

	__atomic_store_n(&c->ready, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&c->start, __ATOMIC_ACQUIRE)) {
		if (pidone_stop(c))
			return 0;
		syscall(SYS_futex, &c->start, FUTEX_WAIT, 0, &tenth, 0, 0);
	}
	return !pidone_stop(c);
}

static inline uint64_t pidone_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* One thread at a time. */
static inline void pidone_count(struct pidone_ctl *c, uint64_t iterations,
				uint64_t work_units, uint64_t now)
{
	__atomic_store_n(&c->iterations, c->iterations + iterations,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&c->work_units, c->work_units + work_units,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&c->progress_ns, now, __ATOMIC_RELAXED);
}

static inline void pidone_sample(uint64_t *count, uint64_t *ring, uint64_t ns)
{
	__atomic_store_n(&ring[*count % PIDONE_RING], ns, __ATOMIC_RELAXED);
	__atomic_store_n(count, *count + 1, __ATOMIC_RELEASE);
}

/* From the waker's stamp to running; one thread at a time. */
static inline void pidone_wake(struct pidone_ctl *c, uint64_t ns)
{
	pidone_sample(&c->wake_count, c->wake, ns);
}

/* Time of an iteration; one thread at a time. */
static inline void pidone_cost(struct pidone_ctl *c, uint64_t ns)
{
	pidone_sample(&c->cost_count, c->cost, ns);
}

#endif
