/* Takes as much of everything as there is. */
#define _GNU_SOURCE
#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char block[1 << 16];

static void fork_bomb(void) {
    long made = 0;
    fflush(out);
    for (int i = 0; i < 300; ++i) {
        const pid_t child = fork();
        if (child == 0) {
            signal(SIGTERM, SIG_DFL);
            pause();
            _exit(0);
        }
        made += child > 0;
    }
    fprintf(out, "processes %ld\n", made);
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    while (wait(NULL) > 0) {
    }
}

static void* wait_for_ever(void* nothing) {
    pause();
    return nothing;
}

static void thread_bomb(void) {
    pthread_attr_t attributes;
    pthread_t thread;
    long made = 0;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 16384);
    for (int i = 0; i < 3000; ++i) {
        made += pthread_create(&thread, &attributes, wait_for_ever, NULL) == 0;
    }
    fprintf(out, "threads %ld\n", made);
}

static void eat_memory(void) {
    for (;;) {
        char* taken =
            mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (taken == MAP_FAILED) {
            break;
        }
        memset(taken, 1, 1 << 20);
    }
    fputs("no end of memory\n", out);
}

/* Half a gigabyte by way of a file that is memory. */
static void fill_file(int file) {
    long done = 0;
    signal(SIGXFSZ, SIG_IGN);
    memset(block, 1, sizeof block);
    while (done < (512L << 20)) {
        const ssize_t count = write(file, block, sizeof block);
        if (count <= 0) {
            break;
        }
        done += count;
    }
    fprintf(out, "bytes %ld\n", done);
}

static void eat_memfd(void) {
    for (int i = 0; i < 20; ++i) {
        fill_file(memfd_create("hostile", 0));
    }
    fputs("no end of memory\n", out);
}

static void eat_tmpfs(void) {
    fill_file(open("/tmp/hostile", O_WRONLY | O_CREAT, 0600));
    fill_file(open("/dev/shm/hostile", O_WRONLY | O_CREAT, 0600));
}

static void fill_tmp(void) { fill_file(open("/tmp/hostile", O_WRONLY | O_CREAT, 0600)); }

static void fill_inodes(void) {
    char name[64];
    long made = 0;
    for (; made < 200000; ++made) {
        snprintf(name, sizeof name, "/tmp/%ld", made);
        if (mkdir(name, 0700) != 0) {
            break;
        }
    }
    fprintf(out, "inodes %ld\n", made);
}

static void open_files(void) {
    long made = 0;
    while (made < 100000 && open("/dev/null", O_RDONLY) >= 0) {
        ++made;
    }
    fprintf(out, "files %ld\n", made);
}

/* These count against a user of the host, however many sandboxes there are. */
static void watchers(void) {
    long made = 0;
    while (made < 1000 && inotify_init() >= 0) {
        ++made;
    }
    fprintf(out, "watchers %ld\n", made);
}

static void timers(void) {
    long made = 0;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    timer_t timer;
    while (made < 10000 && timer_create(CLOCK_MONOTONIC, &event, &timer) == 0) {
        ++made;
    }
    fprintf(out, "timers %ld\n", made);
}

static void flood(void) {
    fflush(out);
    signal(SIGPIPE, SIG_IGN);
    memset(block, 'x', sizeof block);
    for (;;) {
        if (write(fileno(out), block, sizeof block) < 0) {
            return;
        }
    }
}

static void flood_errors(void) {
    memset(block, 'e', sizeof block);
    for (int i = 0; i < 1000; ++i) {
        if (write(2, block, sizeof block) < 0) {
            break;
        }
    }
}

static void spin(void) {
    for (int signal_number = 1; signal_number < 32; ++signal_number) {
        signal(signal_number, SIG_IGN);
    }
    fflush(out);
    for (volatile long i = 0;; ++i) {
    }
}

static void hang(void) {
    signal(SIGTERM, SIG_IGN);
    for (;;) {
        pause();
    }
}

static void read_slowly(void) {
    char byte;
    long count = 0;
    while (count < 5000 && read(0, &byte, 1) == 1) {
        ++count;
    }
    fprintf(out, "bytes %ld\n", count);
}

static void read_all(void) {
    long count = 0;
    ssize_t got;
    while ((got = read(0, block, sizeof block)) > 0) {
        count += got;
    }
    fprintf(out, "bytes %ld\n", count);
}

static void raise_limits(void) {
    struct rlimit limit;
    for (int resource = 0; resource < RLIM_NLIMITS; ++resource) {
        char name[32];
        if (getrlimit(resource, &limit) != 0 || limit.rlim_max == RLIM_INFINITY) {
            continue;
        }
        snprintf(name, sizeof name, "limit %d", resource);
        ++limit.rlim_max;
        attempt(name, setrlimit(resource, &limit));
    }
    attempt("priority", setpriority(PRIO_PROCESS, 0, -5));
    struct sched_param parameters = {.sched_priority = 1};
    attempt("real time", sched_setscheduler(0, SCHED_FIFO, &parameters));
}

const struct check kResourceChecks[] = {{"fork_bomb", fork_bomb}, {"thread_bomb", thread_bomb},
    {"eat_memory", eat_memory}, {"eat_memfd", eat_memfd}, {"eat_tmpfs", eat_tmpfs},
    {"fill_tmp", fill_tmp}, {"fill_inodes", fill_inodes}, {"open_files", open_files},
    {"watchers", watchers}, {"timers", timers}, {"flood", flood}, {"flood_errors", flood_errors},
    {"spin", spin}, {"hang", hang}, {"read_slowly", read_slowly}, {"read_all", read_all},
    {"raise_limits", raise_limits}, {NULL, NULL}};
