/* What a WASM program can try. The query is CHECK&TOKEN. */
#include "headers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

extern char** environ;

static volatile int sink;

static void attempt(const char* what, long result) {
    printf(
        "%s %s%s\n", what, result < 0 ? "refused: " : "ALLOWED", result < 0 ? strerror(errno) : "");
}

static void grow(void) {
    while (__builtin_wasm_memory_grow(0, 16) != (size_t)-1) {
    }
    printf("pages %lu\n", (unsigned long)__builtin_wasm_memory_size(0));
}

static void eat_memory(void) {
    for (;;) {
        char* taken = malloc(1 << 20);
        if (!taken) {
            abort();
        }
        memset(taken, 1, 1 << 20);
        __asm__ volatile("" : : "r"(taken) : "memory");
    }
}

static void flood(int descriptor, int count) {
    static char block[1 << 16];
    memset(block, 'x', sizeof block);
    for (int i = 0; count == 0 || i < count; ++i) {
        if (write(descriptor, block, sizeof block) < 0) {
            return;
        }
    }
}

static __attribute__((noinline)) int recurse(int depth) {
    sink = depth;
    const int deeper = depth == INT_MAX ? 0 : recurse(depth + 1);
    __asm__ volatile("" : : "r"(deeper) : "memory");
    return deeper + sink;
}

static void files(void) {
    static const char* const kNames[] = {"/etc/passwd", "/", ".", "..", "../etc/passwd",
        "/proc/self/environ", "/dev/null", "etc/passwd/", "/tmp/x/../../etc/passwd",
        "//etc/passwd"};
    for (size_t i = 0; i < sizeof kNames / sizeof *kNames; ++i) {
        attempt(kNames[i], open(kNames[i], O_RDONLY));
    }
    attempt("create", open("/planted", O_WRONLY | O_CREAT, 0600));
    attempt("link", symlink("/etc/passwd", "/tmp/link"));
    attempt("folder", mkdir("/tmp/folder", 0700));
    for (int number = 3; number < 1024; ++number) {
        struct stat found;
        if (fstat(number, &found) == 0) {
            printf("descriptor %d ALLOWED\n", number);
        }
    }
}

static void look(void) {
    static int runs;
    printf("run %d\n", ++runs);
    for (char** each = environ; *each; ++each) {
        printf("variable %s\n", *each);
    }
}

static void nap(long seconds) {
    struct timespec time = {.tv_sec = seconds};
    nanosleep(&time, NULL);
}

static int run(const char* check) {
    if (write_head(check, stdout)) {
        return 0;
    }
    if (!strcmp(check, "grow")) {
        grow();
    } else if (!strcmp(check, "eat_memory")) {
        eat_memory();
    } else if (!strcmp(check, "flood")) {
        flood(1, 0);
    } else if (!strcmp(check, "flood_errors")) {
        flood(2, 1000);
    } else if (!strcmp(check, "recurse")) {
        recurse(0);
    } else if (!strcmp(check, "files")) {
        files();
    } else if (!strcmp(check, "look")) {
        look();
    } else if (!strcmp(check, "hang")) {
        nap(3600);
    } else if (!strcmp(check, "read_all")) {
        while (getchar() != EOF) {
        }
    } else if (!strcmp(check, "spin")) {
        for (;;) {
            ++sink;
        }
    } else {
        return 64;
    }
    puts("over");
    return 0;
}

int main(void) {
    const char* query = getenv("QUERY_STRING");
    char* check = strdup(query ? query : "");
    check[strcspn(check, "&")] = 0;
    return run(check);
}
