// Text in, by ?text= or as the body; its QR code out, as PNG or, with ?format=svg, as SVG.
//
// A program with a CGI interface: the request's method, query and length are in the environment,
// its body on standard input; the answer's headers, an empty line and the answer's body go to
// standard output.

#include "code.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <stb_image_write.h>
#pragma clang diagnostic pop

enum { kQuiet = 4, kScale = 8, kMostPixels = (kMostModules + 2 * kQuiet) * kScale };

static bool is_head(void) {
    const char* method = getenv("REQUEST_METHOD");
    return method && strcmp(method, "HEAD") == 0;
}

static _Noreturn void refuse(const char* status, const char* headers, const char* format, ...) {
    va_list arguments;
    printf("Status: %s\r\nContent-Type: text/plain; charset=utf-8\r\n%s\r\n", status, headers);
    if (!is_head()) {
        va_start(arguments, format);
        vprintf(format, arguments);
        va_end(arguments);
    }
    exit(0);
}

static int digit_of(char c) {
    const char* digits = "0123456789abcdef0123456789ABCDEF";
    const char* found = c ? strchr(digits, c) : NULL;
    return found ? (int)((found - digits) % 16) : -1;
}

// What follows `name=` in the query, decoded; its length, or -1 if the query does not name it.
static long read_query(const char* name, unsigned char* out, size_t capacity) {
    const size_t length = strlen(name);
    const char* item = getenv("QUERY_STRING");
    while (item && !(strncmp(item, name, length) == 0 && item[length] == '=')) {
        const char* next = strchr(item, '&');
        item = next ? next + 1 : NULL;
    }
    if (!item) {
        return -1;
    }
    size_t count = 0;
    for (const char* at = item + length + 1; *at && *at != '&'; at++) {
        int byte = *at == '+' ? ' ' : (unsigned char)*at;
        if (*at == '%') {
            const int high = digit_of(at[1]);
            const int low = high < 0 ? -1 : digit_of(at[2]);
            if (low < 0) {
                refuse("400 Bad Request", "", "%s has a %% without two digits\n", name);
            }
            byte = high * 16 + low;
            at += 2;
        }
        if (count == capacity) {
            refuse("413 Content Too Large", "", "%s is too long\n", name);
        }
        out[count++] = (unsigned char)byte;
    }
    return (long)count;
}

static size_t read_text(unsigned char* text, size_t capacity) {
    const long given = read_query("text", text, capacity);
    const size_t count = given >= 0 ? (size_t)given : fread(text, 1, capacity, stdin);
    if (count == 0) {
        refuse("400 Bad Request", "",
            "Send a text of at most %d bytes as the body or by ?text=; get its QR code as PNG, or"
            " as SVG with ?format=svg.\n",
            kMostBytes);
    }
    return count;
}

static void write_svg(const struct Code* code) {
    const int size = code->size + 2 * kQuiet;
    printf(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
        "shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0,0h%dv%dh-%dz\"/><path d=\"",
        size, size, size, size, size);
    for (int y = 0; y < code->size; y++) {
        for (int x = 0; x < code->size; x++) {
            if (code->dark[y][x]) {
                printf("M%d,%dh1v1h-1z", x + kQuiet, y + kQuiet);
            }
        }
    }
    printf("\"/></svg>\n");
}

static void write_out(void* context, void* bytes, int size) {
    bool* failed = context;
    *failed = *failed || fwrite(bytes, 1, (size_t)size, stdout) != (size_t)size;
}

static bool write_png(const struct Code* code) {
    static unsigned char pixels[kMostPixels * kMostPixels];
    const int size = (code->size + 2 * kQuiet) * kScale;
    for (int y = 0; y < size; y++) {
        for (int x = 0; x < size; x++) {
            const int row = y / kScale - kQuiet;
            const int column = x / kScale - kQuiet;
            const bool inside = row >= 0 && column >= 0 && row < code->size && column < code->size;
            pixels[y * size + x] = inside && code->dark[row][column] ? 0 : 255;
        }
    }
    bool failed = false;
    return stbi_write_png_to_func(write_out, &failed, size, size, 1, pixels, size) && !failed;
}

int main(void) {
    const char* method = getenv("REQUEST_METHOD");
    if (method && strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 &&
        strcmp(method, "POST") != 0) {
        refuse("405 Method Not Allowed", "Allow: GET, HEAD, POST\r\n", "GET or POST\n");
    }
    unsigned char format[4];
    const long length = read_query("format", format, sizeof format);
    const bool svg = length == 3 && memcmp(format, "svg", 3) == 0;
    if (length >= 0 && !svg && !(length == 3 && memcmp(format, "png", 3) == 0)) {
        refuse("400 Bad Request", "", "format is png or svg\n");
    }
    unsigned char text[kMostBytes + 1];
    static struct Code code;
    if (!make_code(text, read_text(text, sizeof text), &code)) {
        refuse("413 Content Too Large", "", "a QR code holds at most %d bytes\n", kMostBytes);
    }
    printf("Content-Type: %s\r\n\r\n", svg ? "image/svg+xml" : "image/png");
    if (is_head()) {
        return 0;
    }
    if (svg) {
        write_svg(&code);
        return fflush(stdout) == 0 ? 0 : 1;
    }
    return write_png(&code) && fflush(stdout) == 0 ? 0 : 1;
}
