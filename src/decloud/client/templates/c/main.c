#include <stdio.h>
#include <stdlib.h>

/* A request's method, path and query are in the environment, its body is standard input. What is
   printed is the answer; a header block before it is optional. Standard error is what
   `decloud logs` shows to you alone. */
int main(void) {
    const char* query = getenv("QUERY_STRING");
    fprintf(stderr, "asked for \"%s\"\n", query ? query : "");
    printf("Content-Type: text/plain\n\nhello from %s\n", query && *query ? query : "decloud");
    return 0;
}
