/* A warm server: it speaks HTTP on the socket that it finds as descriptor 3, one thread for each
   connection.

     GET /              how many requests it has had since it was started
     POST /echo         the body
     GET /ticks?count=N N server-sent events, 100 ms apart (at most 100) */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { kListener = 3, kHead = 32 * 1024 };

static atomic_ulong requests;

/* 0 if the other side has gone. */
static int say(int connection, const char* data, size_t size) {
    while (size > 0) {
        const ssize_t count = send(connection, data, size, MSG_NOSIGNAL);
        if (count <= 0) {
            return 0;
        }
        data += count;
        size -= (size_t)count;
    }
    return 1;
}

static int say_text(int connection, const char* text) {
    return say(connection, text, strlen(text));
}

static void answer(int connection, const char* status, const char* text) {
    char head[512];
    snprintf(head, sizeof head,
        "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: "
        "close\r\n\r\n",
        status, strlen(text));
    if (say_text(connection, head)) {
        say_text(connection, text);
    }
}

/* The value of a header in lower case, or null. */
static const char* field(const char* head, const char* name) {
    const size_t size = strlen(name);
    for (const char* line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, size) == 0 && line[size] == ':') {
            return line + size + 1 + strspn(line + size + 1, " ");
        }
    }
    return NULL;
}

static void echo(int connection, const char* head, const char* begun, size_t size) {
    const char* length = field(head, "content-length");
    if (length == NULL) {
        answer(connection, "411 Length Required", "say how long the body is\n");
        return;
    }
    unsigned long left = strtoul(length, NULL, 10);
    char block[65536];
    snprintf(block, sizeof block,
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %lu\r\n\r\n",
        left);
    if (!say_text(connection, block)) {
        return;
    }
    size = size < left ? size : left;
    if (!say(connection, begun, size)) {
        return;
    }
    left -= size;
    while (left > 0) {
        const ssize_t count = recv(connection, block, left < sizeof block ? left : sizeof block, 0);
        if (count <= 0 || !say(connection, block, (size_t)count)) {
            return;
        }
        left -= (unsigned long)count;
    }
}

static void tick(int connection, const char* target) {
    const char* wanted = strstr(target, "count=");
    const long count = wanted == NULL ? 3 : strtol(wanted + 6, NULL, 10);
    if (!say_text(connection,
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
            "Connection: close\r\n\r\n")) {
        return;
    }
    const struct timespec pause = {.tv_sec = 0, .tv_nsec = 100000000};
    for (long i = 1; i <= count && i <= 100; ++i) {
        char event[64];
        snprintf(event, sizeof event, "id: %ld\ndata: tick %ld\n\n", i, i);
        if (!say_text(connection, event)) {
            return;
        }
        if (i < count) {
            nanosleep(&pause, NULL);
        }
    }
}

static void serve(int connection) {
    char* head = malloc(kHead + 1);
    size_t size = 0;
    const char* end = NULL;
    while (head != NULL && end == NULL && size < kHead) {
        const ssize_t count = recv(connection, head + size, kHead - size, 0);
        if (count <= 0) {
            free(head);
            return;
        }
        size += (size_t)count;
        head[size] = '\0';
        end = strstr(head, "\r\n\r\n");
    }
    if (end == NULL) {
        answer(connection, "431 Request Header Fields Too Large", "the head is too long\n");
        free(head);
        return;
    }
    const unsigned long number = atomic_fetch_add(&requests, 1) + 1;
    const char* target = strchr(head, ' ') == NULL ? "" : strchr(head, ' ') + 1;
    if (strncmp(head, "POST /echo ", 11) == 0) {
        echo(connection, head, end + 4, size - (size_t)(end + 4 - head));
    } else if (strncmp(target, "/ticks", 6) == 0) {
        tick(connection, target);
    } else if (strncmp(target, "/ ", 2) == 0) {
        char text[64];
        snprintf(text, sizeof text, "request %lu\n", number);
        answer(connection, "200 OK", text);
    } else {
        answer(connection, "404 Not Found", "there is /, /echo and /ticks\n");
    }
    free(head);
}

static void* run(void* argument) {
    const int connection = (int)(intptr_t)argument;
    serve(connection);
    shutdown(connection, SHUT_WR);
    close(connection);
    return NULL;
}

int main(void) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    for (;;) {
        const int connection = accept(kListener, NULL, NULL);
        pthread_t thread;
        if (connection < 0 && errno != EINTR && errno != ECONNABORTED) {
            perror("accept");
            return 1;
        }
        if (connection >= 0 &&
            pthread_create(&thread, &attributes, run, (void*)(intptr_t)connection) != 0) {
            close(connection);
        }
    }
}
