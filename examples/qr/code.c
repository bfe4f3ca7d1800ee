#include "code.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { kVersions = 40, kMasks = 8, kMostCodewords = 3706, kMostCheckwords = 30 };

// Level M, by version: check codewords of each block, and blocks (ISO/IEC 18004, table 9).
static const int kCheckwords[kVersions + 1] = {0, 10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22,
    22, 24, 24, 28, 28, 26, 26, 26, 26, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    28, 28, 28, 28};
static const int kBlocks[kVersions + 1] = {0, 1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11,
    13, 14, 16, 17, 17, 18, 20, 21, 23, 25, 26, 28, 29, 31, 33, 35, 37, 38, 40, 43, 45, 47, 49};

// A code that is being drawn: patterns are not masked and take no data.
struct Drawing {
    struct Code* code;
    int version;
    bool pattern[kMostModules][kMostModules];
};

static void set_pattern(struct Drawing* drawing, int row, int column, bool dark) {
    const int size = drawing->code->size;
    if (row >= 0 && column >= 0 && row < size && column < size) {
        drawing->code->dark[row][column] = dark;
        drawing->pattern[row][column] = true;
    }
}

static int largest(int a, int b) { return a > b ? a : b; }

static void draw_finder(struct Drawing* drawing, int row, int column) {
    for (int y = -4; y <= 4; y++) {
        for (int x = -4; x <= 4; x++) {
            const int ring = largest(abs(x), abs(y));
            set_pattern(drawing, row + y, column + x, ring != 2 && ring != 4);
        }
    }
}

static void draw_alignments(struct Drawing* drawing) {
    const int version = drawing->version;
    if (version == 1) {
        return;
    }
    const int count = version / 7 + 2;
    const int last = drawing->code->size - 7;
    const int step = version == 32 ? 26 : (version * 4 + count * 2 + 1) / (count * 2 - 2) * 2;
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < count; j++) {
            const bool at_finder =
                (i == 0 && j == 0) || (i == 0 && j == count - 1) || (i == count - 1 && j == 0);
            const int row = i == 0 ? 6 : last - (count - 1 - i) * step;
            const int column = j == 0 ? 6 : last - (count - 1 - j) * step;
            for (int y = -2; y <= 2 && !at_finder; y++) {
                for (int x = -2; x <= 2; x++) {
                    set_pattern(drawing, row + y, column + x, largest(abs(x), abs(y)) != 1);
                }
            }
        }
    }
}

// `value` with the remainder of a BCH code behind it.
static int with_remainder(int value, int bits, int generator) {
    int rest = value;
    for (int i = 0; i < bits; i++) {
        rest = (rest << 1) ^ ((rest >> (bits - 1)) & 1 ? generator : 0);
    }
    return value << bits | rest;
}

static void draw_format(struct Drawing* drawing, int mask) {
    // Level M is 0.
    const int bits = with_remainder(mask, 10, 0x537) ^ 0x5412;
    const int size = drawing->code->size;
    for (int i = 0; i < 15; i++) {
        const bool dark = (bits >> i & 1) != 0;
        const int row = i < 6 ? i : i < 8 ? i + 1 : 8;
        const int column = i < 8 ? 8 : i == 8 ? 7 : 14 - i;
        set_pattern(drawing, row, column, dark);
        set_pattern(drawing, i < 8 ? 8 : size - 15 + i, i < 8 ? size - 1 - i : 8, dark);
    }
    set_pattern(drawing, size - 8, 8, true);
}

static void draw_version(struct Drawing* drawing) {
    if (drawing->version < 7) {
        return;
    }
    const int bits = with_remainder(drawing->version, 12, 0x1F25);
    const int size = drawing->code->size;
    for (int i = 0; i < 18; i++) {
        const bool dark = (bits >> i & 1) != 0;
        set_pattern(drawing, i / 3, size - 11 + i % 3, dark);
        set_pattern(drawing, size - 11 + i % 3, i / 3, dark);
    }
}

static void draw_patterns(struct Drawing* drawing) {
    const int size = drawing->code->size;
    for (int i = 0; i < size; i++) {
        set_pattern(drawing, 6, i, i % 2 == 0);
        set_pattern(drawing, i, 6, i % 2 == 0);
    }
    draw_finder(drawing, 3, 3);
    draw_finder(drawing, 3, size - 4);
    draw_finder(drawing, size - 4, 3);
    draw_alignments(drawing);
    draw_format(drawing, 0);
    draw_version(drawing);
}

static int codewords_of(int version) {
    int modules = (16 * version + 128) * version + 64;
    if (version >= 2) {
        const int count = version / 7 + 2;
        modules -= (25 * count - 10) * count - 55;
    }
    return (modules - (version >= 7 ? 36 : 0)) / 8;
}

static int data_of(int version) {
    return codewords_of(version) - kCheckwords[version] * kBlocks[version];
}

// In the field of 256 elements with the polynomial 0x11D.
static uint8_t multiply(uint8_t a, uint8_t b) {
    int product = 0;
    for (int i = 7; i >= 0; i--) {
        product = (product << 1) ^ (product >> 7 ? 0x11D : 0);
        product ^= (b >> i & 1) * a;
    }
    return (uint8_t)product;
}

// The coefficients of (x - 1)(x - 2)(x - 4)…, highest first, without the first, which is 1.
static void make_generator(int degree, uint8_t* generator) {
    memset(generator, 0, (size_t)degree);
    generator[degree - 1] = 1;
    uint8_t root = 1;
    for (int i = 0; i < degree; i++) {
        for (int j = 0; j < degree; j++) {
            const uint8_t next = j + 1 < degree ? generator[j + 1] : 0;
            generator[j] = multiply(generator[j], root) ^ next;
        }
        root = multiply(root, 2);
    }
}

static void make_checkwords(
    const uint8_t* data, int count, const uint8_t* generator, int degree, uint8_t* rest) {
    memset(rest, 0, (size_t)degree);
    for (int i = 0; i < count; i++) {
        const uint8_t factor = data[i] ^ rest[0];
        memmove(rest, rest + 1, (size_t)degree - 1);
        rest[degree - 1] = 0;
        for (int j = 0; j < degree; j++) {
            rest[j] ^= multiply(generator[j], factor);
        }
    }
}

// The data's blocks with their check codewords, taken in turn.
static void interleave(const uint8_t* data, int version, uint8_t* out) {
    const int blocks = kBlocks[version];
    const int degree = kCheckwords[version];
    const int shorter = data_of(version) / blocks;
    const int longer_from = blocks - data_of(version) % blocks;
    uint8_t generator[kMostCheckwords];
    make_generator(degree, generator);
    const uint8_t* block = data;
    for (int i = 0; i < blocks; i++) {
        const int count = shorter + (i >= longer_from);
        for (int j = 0; j < count; j++) {
            const int before = j < shorter ? i : i - longer_from;
            out[j * blocks + before] = block[j];
        }
        uint8_t rest[kMostCheckwords];
        make_checkwords(block, count, generator, degree, rest);
        for (int j = 0; j < degree; j++) {
            out[data_of(version) + j * blocks + i] = rest[j];
        }
        block += count;
    }
}

static void put_bits(uint8_t* data, int* at, unsigned value, int count) {
    for (int i = count - 1; i >= 0; i--, ++*at) {
        data[*at / 8] |= (uint8_t)((value >> i & 1) << (7 - *at % 8));
    }
}

static void encode(const unsigned char* bytes, size_t count, int version, uint8_t* data) {
    const int capacity = data_of(version);
    int at = 0;
    put_bits(data, &at, 4, 4);
    put_bits(data, &at, (unsigned)count, version < 10 ? 8 : 16);
    for (size_t i = 0; i < count; i++) {
        put_bits(data, &at, bytes[i], 8);
    }
    // The end, at most four bits, and padding.
    at = (at + 4 > capacity * 8 ? capacity * 8 : at + 4) + 7;
    for (int i = at / 8, filler = 0xEC; i < capacity; i++, filler ^= 0xEC ^ 0x11) {
        data[i] = (uint8_t)filler;
    }
}

// Upwards and downwards in columns two modules wide, from the right.
static void draw_codewords(struct Drawing* drawing, const uint8_t* words, int count) {
    const int size = drawing->code->size;
    int at = 0;
    for (int right = size - 1; right > 0; right -= right == 8 ? 3 : 2) {
        // The column of the timing pattern is left out.
        const int before = (size - (right > 6 ? 1 : 2) - right) / 2;
        const bool upwards = before % 2 == 0;
        for (int i = 0; i < size * 2; i++) {
            const int row = upwards ? size - 1 - i / 2 : i / 2;
            const int column = right - i % 2;
            if (!drawing->pattern[row][column] && at < count * 8) {
                drawing->code->dark[row][column] = (words[at / 8] >> (7 - at % 8) & 1) != 0;
                at++;
            }
        }
    }
}

static bool is_masked(int mask, int y, int x) {
    switch (mask) {
        case 0:
            return (x + y) % 2 == 0;
        case 1:
            return y % 2 == 0;
        case 2:
            return x % 3 == 0;
        case 3:
            return (x + y) % 3 == 0;
        case 4:
            return (x / 3 + y / 2) % 2 == 0;
        case 5:
            return x * y % 2 + x * y % 3 == 0;
        case 6:
            return (x * y % 2 + x * y % 3) % 2 == 0;
        default:
            return ((x + y) % 2 + x * y % 3) % 2 == 0;
    }
}

// A second time takes it away.
static void apply_mask(struct Drawing* drawing, int mask) {
    const int size = drawing->code->size;
    for (int y = 0; y < size; y++) {
        for (int x = 0; x < size; x++) {
            drawing->code->dark[y][x] ^= !drawing->pattern[y][x] && is_masked(mask, y, x);
        }
    }
    draw_format(drawing, mask);
}

static bool is_dark(const struct Code* code, int line, int i, bool down) {
    return down ? code->dark[i][line] : code->dark[line][i];
}

// Long runs, and what looks like a finder with four light modules on a side.
static int line_penalty(const struct Code* code, int line, bool down) {
    int penalty = 0;
    int run = 0;
    unsigned last = 0;
    for (int i = 0; i < code->size; i++) {
        const bool dark = is_dark(code, line, i, down);
        run = i > 0 && dark == (last & 1) ? run + 1 : 1;
        penalty += run == 5 ? 3 : run > 5;
        last = (last << 1 | dark) & 0x7FF;
        penalty += i >= 10 && (last == 0x5D || last == 0x5D0) ? 40 : 0;
    }
    return penalty;
}

static int penalty_of(const struct Code* code) {
    const int size = code->size;
    int penalty = 0;
    int dark = 0;
    for (int y = 0; y < size; y++) {
        penalty += line_penalty(code, y, false) + line_penalty(code, y, true);
        for (int x = 0; x < size; x++) {
            const bool here = code->dark[y][x];
            dark += here;
            penalty += y > 0 && x > 0 && here == code->dark[y - 1][x] &&
                               here == code->dark[y][x - 1] && here == code->dark[y - 1][x - 1]
                           ? 3
                           : 0;
        }
    }
    return penalty + abs(dark * 20 - size * size * 10) / (size * size) * 10;
}

static void choose_mask(struct Drawing* drawing) {
    int best = 0;
    int least = 0;
    for (int mask = 0; mask < kMasks; mask++) {
        apply_mask(drawing, mask);
        const int penalty = penalty_of(drawing->code);
        if (mask == 0 || penalty < least) {
            best = mask;
            least = penalty;
        }
        apply_mask(drawing, mask);
    }
    apply_mask(drawing, best);
}

bool make_code(const unsigned char* bytes, size_t count, struct Code* code) {
    int version = 1;
    while (version <= kVersions &&
           (size_t)data_of(version) * 8 < 4 + (version < 10 ? 8 : 16) + count * 8) {
        version++;
    }
    if (version > kVersions) {
        return false;
    }
    memset(code, 0, sizeof *code);
    code->size = version * 4 + 17;
    static struct Drawing drawing;
    memset(&drawing, 0, sizeof drawing);
    drawing.code = code;
    drawing.version = version;
    uint8_t data[kMostCodewords] = {0};
    uint8_t words[kMostCodewords];
    encode(bytes, count, version, data);
    interleave(data, version, words);
    draw_patterns(&drawing);
    draw_codewords(&drawing, words, codewords_of(version));
    choose_mask(&drawing);
    return true;
}
