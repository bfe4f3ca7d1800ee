/* Packed with the bit that would make it root's. */
#include <stdio.h>
#include <unistd.h>

int main(void) {
    printf("became %s\n", geteuid() == getuid() ? "nobody else" : "another ALLOWED");
    return 0;
}
