/* A server for the tests: it speaks HTTP on descriptor 3, and the path of a request chooses what it
 * does. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

extern char** environ;

static atomic_int requests;
static atomic_int waiting;

static void say(int connection, const char* text) {
    send(connection, text, strlen(text), MSG_NOSIGNAL);
}

static void answer(int connection, const char* text) {
    char head[256];
    snprintf(head, sizeof head,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n", strlen(text));
    say(connection, head);
    say(connection, text);
}

/* Answers nobody until so many wait at once. */
static void meet(int connection, int count) {
    atomic_fetch_add(&waiting, 1);
    while (atomic_load(&waiting) < count) {
        usleep(1000);
    }
    answer(connection, "met\n");
}

static atomic_int spun;

/* Never ends; says when it has used 50 ms of a processor. */
static void* spin(void* argument) {
    struct timespec used = {0};
    for (;;) {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
        if (used.tv_sec > 0 || used.tv_nsec > 50000000) {
            atomic_store(&spun, 1);
        }
    }
    return argument;
}

static void start_spinning(int connection) {
    pthread_t thread;
    pthread_create(&thread, NULL, spin, NULL);
    pthread_detach(thread);
    while (!atomic_load(&spun)) {
        usleep(1000);
    }
    answer(connection, "spinning\n");
}

static void show_environment(int connection) {
    char text[8192] = "";
    for (char** variable = environ; *variable != NULL; ++variable) {
        strcat(strcat(text, *variable), "\n");
    }
    answer(connection, text);
}

/* What somebody who wants to see others looks at. */
static void look_around(int connection) {
    char text[8192] = "";
    const char* const places[] = {"/tmp", "/dev/shm", "/proc"};
    for (size_t i = 0; i < sizeof places / sizeof *places; ++i) {
        DIR* folder = opendir(places[i]);
        for (struct dirent* entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
            const int process = entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
            if (entry->d_name[0] != '.' && (i < 2 || process)) {
                strcat(strcat(strcat(strcat(text, places[i]), "/"), entry->d_name), "\n");
            }
        }
        if (folder != NULL) {
            closedir(folder);
        }
    }
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, "\0canary", 7);
    const int other = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(other, (struct sockaddr*)&name, sizeof(sa_family_t) + 7) == 0) {
        strcat(text, "abstract socket\n");
    }
    if (socket(AF_INET, SOCK_STREAM, 0) >= 0) {
        strcat(text, "network\n");
    }
    if (access("/etc/passwd", F_OK) == 0) {
        strcat(text, "host files\n");
    }
    answer(connection, text);
}

static void leave_traces(int connection) {
    close(open("/tmp/canary", O_WRONLY | O_CREAT, 0600));
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, "\0canary", 7);
    const int other = socket(AF_UNIX, SOCK_STREAM, 0);
    const int failed =
        bind(other, (struct sockaddr*)&name, sizeof(sa_family_t) + 7) != 0 || listen(other, 1) != 0;
    if (fork() == 0) {
        setsid();
        for (;;) {
            pause();
        }
    }
    answer(connection, failed ? "no canary\n" : "left\n");
}

static void eat_memory(void) {
    for (;;) {
        char* block =
            mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (block != MAP_FAILED) {
            memset(block, 1, 1 << 20);
        }
    }
}

static void serve(int connection) {
    char head[65536];
    size_t size = 0;
    while (size < sizeof head - 1) {
        const ssize_t count = recv(connection, head + size, sizeof head - 1 - size, 0);
        if (count <= 0) {
            return;
        }
        size += (size_t)count;
        head[size] = '\0';
        if (strstr(head, "\r\n\r\n") != NULL) {
            break;
        }
    }
    const int number = atomic_fetch_add(&requests, 1) + 1;
    char path[64] = "";
    sscanf(head, "%*s %63s", path);
    char text[64];
    if (strcmp(path, "/count") == 0) {
        snprintf(text, sizeof text, "%d\n", number);
        answer(connection, text);
    } else if (strcmp(path, "/environment") == 0) {
        show_environment(connection);
    } else if (strcmp(path, "/cookies") == 0) {
        say(connection,
            "HTTP/1.1 418 I'm a teapot\r\nSet-Cookie: a=1\r\nX-Own: yes\r\nSet-Cookie: b=2\r\n"
            "Status: 200 no\r\nX-Decloud-Receipt: forged\r\nPayment-Required: "
            "forged\r\nTransfer-Encoding: chunked\r\n\r\n"
            "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: t\r\n\r\n");
    } else if (strcmp(path, "/exit") == 0) {
        exit(3);
    } else if (strcmp(path, "/half") == 0) {
        say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    } else if (strcmp(path, "/garbage") == 0) {
        say(connection, "hello, I am no server\r\n\r\n");
    } else if (strcmp(path, "/hang") == 0) {
        pause();
    } else if (strcmp(path, "/memory") == 0) {
        eat_memory();
    } else if (strcmp(path, "/meet") == 0) {
        meet(connection, 2);
    } else if (strcmp(path, "/spin") == 0) {
        start_spinning(connection);
    } else if (strcmp(path, "/look") == 0) {
        look_around(connection);
    } else if (strcmp(path, "/traces") == 0) {
        leave_traces(connection);
    } else {
        answer(connection, head);
    }
}

static void* run(void* argument) {
    const int connection = (int)(intptr_t)argument;
    serve(connection);
    close(connection);
    return NULL;
}

int main(void) {
    if (getenv("STUBBORN") != NULL) {
        signal(SIGTERM, SIG_IGN);
    }
    if (getenv("UNABLE") != NULL) {
        return 9;
    }
    if (getenv("DEAF") != NULL) {
        pause();
    }
    for (;;) {
        const int connection = accept(3, NULL, NULL);
        pthread_t thread;
        if (connection < 0) {
            return 1;
        }
        pthread_create(&thread, NULL, run, (void*)(intptr_t)connection);
        pthread_detach(thread);
    }
}
