#ifndef HOSTILE_HEADERS_H
#define HOSTILE_HEADERS_H

#include <stdio.h>

/* Writes the answer of this check; 0 if there is none of that name. */
int write_head(const char* check, FILE* to);

#endif
