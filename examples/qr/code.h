// QR codes by ISO/IEC 18004: bytes, error correction level M, the smallest version that holds them.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { kMostModules = 177, kMostBytes = 2331 };

struct Code {
    int size;
    bool dark[kMostModules][kMostModules];  // [row][column]
};

// False if there are more than kMostBytes.
bool make_code(const unsigned char* bytes, size_t count, struct Code* code);
