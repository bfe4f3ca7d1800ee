/* A program that tries what it must not: which attempt, its query says. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <stdio.h>

/* Where a check's findings go: `NAME ALLOWED`, or `NAME refused: WHY`. */
extern FILE* out;
/* A word that only this run's files, processes and sockets have. */
extern const char* token;

/* Negative: refused, errno says why. */
void attempt(const char* what, long result);

struct check {
    const char* name;
    void (*run)(void);
};
extern const struct check kResourceChecks[];
extern const struct check kHostChecks[];
extern const struct check kProcessChecks[];

#endif
