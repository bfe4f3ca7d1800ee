/* What the tests need a WASM program to do, chosen by MODE in the environment. */
#include "probe_common.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int flood(void) {
    static char block[65536];
    memset(block, 'x', sizeof block);
    for (;;) {
        if (write(1, block, sizeof block) < 0) {
            return 5;
        }
    }
}

static int produce(long size) {
    static char block[4096];
    memset(block, 'y', sizeof block);
    while (size > 0) {
        size_t part = size < (long)sizeof block ? (size_t)size : sizeof block;
        if (write(1, block, part) != (ssize_t)part) {
            return 5;
        }
        size -= (long)part;
    }
    return 0;
}

static int eat_memory(void) {
    for (;;) {
        char* block = malloc(1 << 20);
        if (!block) {
            abort();
        }
        memset(block, 1, 1 << 20);
        __asm__ volatile("" : : "r"(block) : "memory");
    }
}

static volatile int sink;
static __attribute__((noinline)) int recurse(int depth) {
    /* No local array: it would overflow the stack in linear memory first. */
    sink = depth;
    int deeper = depth == INT32_MAX ? 0 : recurse(depth + 1);
    __asm__ volatile("" : : "r"(deeper) : "memory");
    return deeper + sink;
}

static int count_state(void) {
    static int counter = 0;
    printf("%d\n", ++counter);
    return 0;
}

static int touch_files(void) {
    static const char* names[] = {"/etc/passwd", "/proc/self/environ", "../secret", "/"};
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
        FILE* file = fopen(names[i], "r");
        printf("%s %s\n", names[i], file ? "OPEN" : "refused");
    }
    return 0;
}

static int stream_slowly(void) {
    /* Says something, then waits for an answer before it goes on. */
    char line[64];
    for (int i = 0; i < 3; ++i) {
        printf("ready %d\n", i);
        fflush(stdout);
        ssize_t count = read(0, line, sizeof line);
        if (count <= 0) {
            return 6;
        }
        printf("got %.*s\n", (int)count, line);
        fflush(stdout);
    }
    return 0;
}

int main(void) {
    const char* mode = getenv("MODE");
    const char* argument = getenv("ARGUMENT");
    long number = argument ? strtol(argument, NULL, 10) : 0;
    int common = mode ? run_common(mode, number) : 64;
    if (common != kNotCommon) {
        return common;
    }
    if (!strcmp(mode, "env")) {
        show_environment();
        return 0;
    }
    if (!strcmp(mode, "print_exit")) {
        puts("partial");
        return (int)number;
    }
    if (!strcmp(mode, "spin")) {
        for (;;) {
            sink++;
        }
    }
    if (!strcmp(mode, "sleep")) {
        struct timespec time = {.tv_sec = number / 1000, .tv_nsec = number % 1000 * 1000000};
        nanosleep(&time, NULL);
        puts("slept");
        return 0;
    }
    if (!strcmp(mode, "memory")) {
        return eat_memory();
    }
    if (!strcmp(mode, "flood")) {
        return flood();
    }
    if (!strcmp(mode, "produce")) {
        return produce(number);
    }
    if (!strcmp(mode, "recurse")) {
        return recurse(0);
    }
    if (!strcmp(mode, "trap")) {
        __builtin_trap();
    }
    if (!strcmp(mode, "counter")) {
        return count_state();
    }
    if (!strcmp(mode, "files")) {
        return touch_files();
    }
    if (!strcmp(mode, "converse")) {
        return stream_slowly();
    }
    if (!strcmp(mode, "stderr")) {
        for (long i = 0; i < number; ++i) {
            fprintf(stderr, "line %ld\n", i);
        }
        return 0;
    }
    return 64;
}
