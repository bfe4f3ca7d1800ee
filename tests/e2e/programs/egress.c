/* Goes out by the proxy that it finds in its environment, or tries to go out past it. The request's
 * body says how: the first line is "proxy", and what is sent to the proxy follows; or "connect
 * ADDRESS PORT"; or "environment". As a CGI program, or as a server if there is a socket to listen
 * on. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char answer[1 << 20];
static size_t answered;

static void say(const char* text) {
    answered += (size_t)snprintf(answer + answered, sizeof answer - answered, "%s\n", text);
}

static int connected(const char* address, int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    inet_pton(AF_INET, address, &to.sin_addr);
    const int out = socket(AF_INET, SOCK_STREAM, 0);
    if (out >= 0 && connect(out, (struct sockaddr*)&to, sizeof to) == 0) {
        return out;
    }
    say(out < 0 ? "no socket" : "no connection");
    say(strerror(errno));
    return -1;
}

/* Sends a CONNECT by itself, and the rest when it has been answered. */
static void through_proxy(const char* text) {
    char address[64] = "";
    int port = 0;
    const char* proxy = getenv("HTTP_PROXY");
    if (!proxy || sscanf(proxy, "http://%63[^:]:%d", address, &port) != 2) {
        say("no proxy");
        return;
    }
    const int out = connected(address, port);
    if (out < 0) {
        return;
    }
    const char* end = strncmp(text, "CONNECT ", 8) ? NULL : strstr(text, "\r\n\r\n");
    const size_t first = end ? (size_t)(end + 4 - text) : strlen(text);
    send(out, text, first, MSG_NOSIGNAL);
    ssize_t got;
    int rest = text[first] != '\0';
    while ((got = recv(out, answer + answered, sizeof answer - answered - 1, 0)) > 0) {
        answered += (size_t)got;
        answer[answered] = '\0';
        if (rest && strstr(answer, "\r\n\r\n")) {
            send(out, text + first, strlen(text + first), MSG_NOSIGNAL);
            rest = 0;
        }
    }
    close(out);
}

static void work(char* body) {
    char address[64] = "";
    int port = 0;
    answered = 0;
    if (!strncmp(body, "proxy\n", 6)) {
        through_proxy(body + 6);
    } else if (sscanf(body, "connect %63s %d", address, &port) == 2) {
        const int out = connected(address, port);
        if (out >= 0) {
            say("connected");
            close(out);
        }
    } else {
        for (int i = 0; i < 4; ++i) {
            const char* const names[] = {"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"};
            say(getenv(names[i]) ? getenv(names[i]) : "none");
        }
    }
}

static size_t read_all(int from, char* into, size_t most) {
    size_t size = 0;
    ssize_t got;
    while (size < most && (got = read(from, into + size, most - size)) > 0) {
        size += (size_t)got;
    }
    into[size] = '\0';
    return size;
}

static void serve(int connection) {
    static char head[65536];
    size_t size = 0;
    char* body = NULL;
    while (!body && size < sizeof head - 1) {
        const ssize_t got = recv(connection, head + size, sizeof head - 1 - size, 0);
        if (got <= 0) {
            return;
        }
        head[size += (size_t)got] = '\0';
        body = strstr(head, "\r\n\r\n");
    }
    if (!body) {
        return;
    }
    const char* field = strstr(head, "ontent-");
    while (field && strncmp(field, "ontent-Length:", 14) && strncmp(field, "ontent-length:", 14)) {
        field = strstr(field + 1, "ontent-");
    }
    const size_t length = field ? strtoul(field + 14, NULL, 10) : 0;
    body += 4;
    size_t have = size - (size_t)(body - head);
    if (have < length) {
        read_all(connection, body + have, length - have);
    }
    work(body);
    char start[128];
    snprintf(start, sizeof start, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", answered);
    send(connection, start, strlen(start), MSG_NOSIGNAL);
    send(connection, answer, answered, MSG_NOSIGNAL);
}

int main(void) {
    if (getenv("LISTEN_FDS")) {
        for (;;) {
            const int connection = accept(3, NULL, NULL);
            serve(connection);
            close(connection);
        }
    }
    static char body[65536];
    read_all(0, body, sizeof body - 1);
    work(body);
    fwrite(answer, 1, answered, stdout);
    return 0;
}
