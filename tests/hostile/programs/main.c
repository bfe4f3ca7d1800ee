/* As a CGI program, or as a server if there is a socket to listen on. The query is CHECK&TOKEN. */
#include "headers.h"
#include "hostile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

FILE* out;
const char* token = "";

void attempt(const char* what, long result) {
    fprintf(out, "%s %s%s\n", what, result < 0 ? "refused: " : "ALLOWED",
        result < 0 ? strerror(errno) : "");
}

static int run(char* query) {
    static const struct check* const lists[] = {kResourceChecks, kHostChecks, kProcessChecks};
    char* end = strchr(query, '&');
    if (end) {
        *end = 0;
        token = end + 1;
    }
    if (write_head(query, out)) {
        return 0;
    }
    for (size_t i = 0; i < sizeof lists / sizeof *lists; ++i) {
        for (const struct check* check = lists[i]; check->name; ++check) {
            if (!strcmp(check->name, query)) {
                check->run();
                fputs("over\n", out);
                return 0;
            }
        }
    }
    fprintf(out, "no check %s\n", query);
    return 64;
}

static void serve(int listener) {
    static char head[65536];
    for (;;) {
        int connection = accept(listener, 0, 0);
        long size = recv(connection, head, sizeof head - 1, 0);
        head[size > 0 ? size : 0] = 0;
        char* query = strchr(head, '?');
        out = fdopen(connection, "w");
        fputs("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n", out);
        if (query) {
            query[strcspn(query, " \r\n")] = 0;
            run(query + 1);
        }
        fclose(out);
    }
}

int main(void) {
    int listens = 0;
    socklen_t size = sizeof listens;
    if (getsockopt(3, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens) {
        serve(3);
    }
    const char* query = getenv("QUERY_STRING");
    char* copy = strdup(query ? query : "");
    out = stdout;
    return run(copy);
}
