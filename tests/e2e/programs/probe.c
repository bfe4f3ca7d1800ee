// A program that does what its query asks, one word: for tests of what callers see.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern char** environ;

static const char* value(const char* query, const char* name) {
    const size_t length = strlen(name);
    for (const char* at = query; at != NULL; at = strchr(at, '&')) {
        at += *at == '&';
        if (strncmp(at, name, length) == 0 && at[length] == '=') {
            return at + length + 1;
        }
    }
    return NULL;
}

static void wait_milliseconds(long count) {
    struct timespec left = {count / 1000, count % 1000 * 1000000};
    nanosleep(&left, NULL);
}

static void copy_input(void) {
    char buffer[65536];
    for (size_t count; (count = fread(buffer, 1, sizeof buffer, stdin)) > 0;) {
        fwrite(buffer, 1, count, stdout);
    }
}

static void count_input(void) {
    long count = 0;
    while (getchar() != EOF) {
        ++count;
    }
    printf("%ld bytes", count);
}

static void print_environment(void) {
    puts("Content-Type: text/plain\n");
    for (char** each = environ; *each != NULL; ++each) {
        puts(*each);
    }
}

static void print_slowly(long pause) {
    puts("Content-Type: text/plain\n\nfirst");
    fflush(stdout);
    wait_milliseconds(pause);
    puts("last");
}

int main(void) {
    const char* query = getenv("QUERY_STRING");
    if (query == NULL) {
        query = "";
    }
    const char* number;
    if ((number = value(query, "wait")) != NULL) {
        wait_milliseconds(atol(number));
    }
    if ((number = value(query, "slow")) != NULL) {
        print_slowly(atol(number));
    }
    if (value(query, "environment") != NULL) {
        print_environment();
    }
    if (value(query, "echo") != NULL) {
        copy_input();
    }
    if (value(query, "count") != NULL) {
        count_input();
    }
    if ((number = value(query, "status")) != NULL) {
        printf("Status: %d Said\nX-Probe: a\nX-Probe: b\n\nbody", atoi(number));
    }
    if ((number = value(query, "cookie")) != NULL) {
        printf("Set-Cookie: a=1; Domain=x.org\nOpenCloud-Status: forged\n\nbody");
    }
    if ((number = value(query, "bytes")) != NULL) {
        for (long count = atol(number); count > 0; --count) {
            putchar('x');
        }
    }
    if ((number = value(query, "part")) != NULL) {
        printf("Content-Type: text/plain\n\npart");
        fflush(stdout);
        wait_milliseconds(1500);
    }
    if ((number = value(query, "exit")) != NULL) {
        return atoi(number);
    }
    if (value(query, "crash") != NULL) {
        abort();
    }
    return 0;
}
