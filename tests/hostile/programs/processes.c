/* Reaches for other processes, stays behind, leaves things for the next run. */
#define _GNU_SOURCE
#include "hostile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

/* Waits until it is alone in a session of its own; then says so to its grandparent. */
static void survive(void) {
    int ready[2];
    char byte = 0;
    if (pipe(ready) != 0) {
        return;
    }
    fflush(out);
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, 0);
            prctl(PR_SET_NAME, token);
            for (int number = 1; number < 32; ++number) {
                signal(number, SIG_IGN);
            }
            /* Not even the answer's pipe shows that it is there. */
            for (int number = 0; number < 1024; ++number) {
                if (number != ready[1]) {
                    close(number);
                }
            }
            if (write(ready[1], &byte, 1) != 1) {
                _exit(1);
            }
            for (;;) {
                pause();
            }
        }
        _exit(0);
    }
    fprintf(out, "left %ld behind\n", (long)read(ready[0], &byte, 1));
}

static void signal_everybody(void) {
    signal(SIGTERM, SIG_IGN);
    kill(-1, SIGTERM);
    for (int pid = 3; pid < 70000; ++pid) {
        if (pid != getpid() && kill(pid, SIGKILL) == 0) {
            fprintf(out, "process %d ALLOWED\n", pid);
        }
    }
    /* The sandbox's first process survives by its namespace's rules. */
    kill(1, SIGKILL);
}

static void debug(void) {
    static char data[64];
    struct iovec local = {data, sizeof data};
    struct iovec remote = {(void*)0x400000, sizeof data};
    attempt("ptrace 1", ptrace(PTRACE_ATTACH, 1, 0, 0));
    attempt("ptrace parent", ptrace(PTRACE_SEIZE, getppid(), 0, 0));
    attempt("process_vm_readv", process_vm_readv(1, &local, 1, &remote, 1, 0));
    attempt("process_vm_writev", process_vm_writev(1, &local, 1, &remote, 1, 0));
    attempt("memory of 1", open("/proc/1/mem", O_RDWR));
    attempt("environment of 1", open("/proc/1/environ", O_RDONLY));
    attempt("root of 1", open("/proc/1/root/", O_RDONLY));
    attempt("folder of 1", open("/proc/1/cwd/", O_RDONLY));
    attempt("a descriptor of 1", open("/proc/1/fd/3", O_RDONLY));
    const int self = (int)syscall(SYS_pidfd_open, 1, 0);
    attempt("pidfd_getfd", syscall(SYS_pidfd_getfd, self, 3, 0));
    attempt("kcmp", syscall(SYS_kcmp, 1, getpid(), 0, 0, 0));
    attempt("process_madvise", syscall(SYS_process_madvise, self, &remote, 1, MADV_DONTNEED, 0));
}

static void list(const char* path) {
    DIR* folder = opendir(path);
    struct dirent* entry;
    fprintf(out, "%s", path);
    while (folder && (entry = readdir(folder))) {
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) {
            fprintf(out, " %s", entry->d_name);
        }
    }
    fputs("\n", out);
    if (folder) {
        closedir(folder);
    }
}

static void look(void) {
    list("/");
    list("/proc");
    list("/dev");
    list("/tmp");
    for (char** each = environ; *each; ++each) {
        fprintf(out, "variable %s\n", *each);
    }
    for (int number = 0; number < 1024; ++number) {
        char link[64];
        char target[256];
        snprintf(link, sizeof link, "/proc/self/fd/%d", number);
        const ssize_t size = readlink(link, target, sizeof target - 1);
        if (size >= 0) {
            target[size] = 0;
            fprintf(out, "descriptor %d %s\n", number, target);
        }
    }
    char line[256];
    FILE* status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status)) {
        fprintf(out, "status %s", line);
    }
    FILE* groups = fopen("/proc/self/cgroup", "r");
    while (groups && fgets(line, sizeof line, groups)) {
        fprintf(out, "group %s", line);
    }
}

static int abstract_socket(struct sockaddr_un* address, socklen_t* size) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    *size = (socklen_t)(sizeof address->sun_family + 1 + strlen(token));
    strcpy(address->sun_path + 1, token);
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

/* What runs beside the hostile tests on the same host has another one. */
#ifndef SYSV_KEY
#define SYSV_KEY 0x4465636c
#endif

/* Leaves whatever can hold a state. */
static void leave(void) {
    struct sockaddr_un address;
    socklen_t size;
    char name[256];
    snprintf(name, sizeof name, "/tmp/%s", token);
    attempt("tmp", open(name, O_WRONLY | O_CREAT, 0666));
    snprintf(name, sizeof name, "/%s", token);
    attempt("shm", shm_open(name, O_RDWR | O_CREAT, 0666));
    const int listener = abstract_socket(&address, &size);
    attempt("abstract", bind(listener, (struct sockaddr*)&address, size));
    attempt("abstract listen", listen(listener, 1));
    attempt("sysv shm", shmget(SYSV_KEY, 4096, IPC_CREAT | 0666));
    attempt("sysv message", msgget(SYSV_KEY, IPC_CREAT | 0666));
    attempt("sysv semaphore", semget(SYSV_KEY, 1, IPC_CREAT | 0666));
    attempt("mq", mq_open(name, O_RDWR | O_CREAT, 0666, NULL));
    attempt("package", open("/left", O_WRONLY | O_CREAT, 0666));
    setenv("LEFT", token, 1);
}

/* Looks for what `leave` left. */
static void find(void) {
    struct sockaddr_un address;
    socklen_t size;
    char name[256];
    snprintf(name, sizeof name, "/tmp/%s", token);
    attempt("tmp", open(name, O_RDONLY));
    snprintf(name, sizeof name, "/%s", token);
    attempt("shm", shm_open(name, O_RDWR, 0));
    const int client = abstract_socket(&address, &size);
    attempt("abstract", connect(client, (struct sockaddr*)&address, size));
    attempt("sysv shm", shmget(SYSV_KEY, 4096, 0));
    attempt("sysv message", msgget(SYSV_KEY, 0));
    attempt("sysv semaphore", semget(SYSV_KEY, 1, 0));
    attempt("mq", mq_open(name, O_RDWR));
    attempt("package", open("/left", O_RDONLY));
    errno = ENOENT;
    attempt("variable", getenv("LEFT") ? 0 : -1);
}

static void dump_core(void) {
    fflush(out);
    prctl(PR_SET_DUMPABLE, 1);
    abort();
}

static void write_log(void) {
    fprintf(stderr, "\033]0;%s\007\033[2J\nE 2026-01-01 forged %s\r\n", token, token);
}

const struct check kProcessChecks[] = {{"survive", survive}, {"signal_everybody", signal_everybody},
    {"debug", debug}, {"look", look}, {"leave", leave}, {"find", find}, {"dump_core", dump_core},
    {"write_log", write_log}, {NULL, NULL}};
