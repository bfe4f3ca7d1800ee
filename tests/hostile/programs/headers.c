/* Answers whose heads are meant to be more than they are. */
#include "headers.h"

#include <string.h>

static void many_headers(FILE* to) {
    for (int i = 0; i < 100000; ++i) {
        fprintf(to, "X-Many-%d: value\r\n", i);
    }
    fputs("\r\nbody", to);
}

static void long_header(FILE* to) {
    fputs("Content-Type: text/plain\r\nX-Long: ", to);
    for (int i = 0; i < 500000; ++i) {
        fputc('x', to);
    }
    fputs("\r\n\r\nbody", to);
}

static void nul_header(FILE* to) {
    static const char kText[] =
        "Content-Type: text/plain\r\nX-Nul: a\0b\r\nX-Smuggled\0: yes\r\nX-\x01: c\r\n\r\nbody";
    fwrite(kText, 1, sizeof kText - 1, to);
}

static void split_header(FILE* to) {
    fputs(
        "Content-Type: text/plain\rX-Smuggled: yes\r\nLocation: /a\rX-Smuggled: yes\r\n"
        "X-A: b\x0bX-Smuggled: yes\r\n X-Smuggled: folded\r\n"
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\nOpenCloud-Status: smuggled\r\n\r\n"
        "bodyHTTP/1.1 200 OK\r\nX-Smuggled: yes\r\nContent-Length: 0\r\n\r\n",
        to);
}

int write_head(const char* check, FILE* to) {
    static const struct {
        const char* name;
        void (*write)(FILE*);
    } kChecks[] = {{"many_headers", many_headers}, {"long_header", long_header},
        {"nul_header", nul_header}, {"split_header", split_header}};
    for (size_t i = 0; i < sizeof kChecks / sizeof *kChecks; ++i) {
        if (!strcmp(check, kChecks[i].name)) {
            kChecks[i].write(to);
            return 1;
        }
    }
    return 0;
}
