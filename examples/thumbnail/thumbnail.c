// A JPEG or PNG on standard input, a smaller JPEG on standard output. ?width= is its width in
// pixels.
//
// A program with a CGI interface: the request's method, query and length are in the environment,
// its body on standard input; the answer's headers, an empty line and the answer's body go to
// standard output.

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_RESIZE_IMPLEMENTATION
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_WRITE_NO_STDIO
#define STBI_FAILURE_USERMSG
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <stb_image.h>
#include <stb_image_resize.h>
#include <stb_image_write.h>
#pragma clang diagnostic pop

enum {
    kDefaultWidth = 200,
    kMaximumWidth = 2000,
    kMaximumHeight = 8000,
    kMaximumPixels = 16 * 1000 * 1000,
    kMaximumBody = 32 * 1024 * 1024,
    kJpegQuality = 85,
};

struct Body {
    unsigned char* bytes;
    size_t size;
};

struct Image {
    unsigned char* pixels;
    int width, height, channels;
};

static _Noreturn void answer(const char* status, const char* headers, const char* format, ...) {
    const char* method = getenv("REQUEST_METHOD");
    va_list arguments;
    printf("Status: %s\r\nContent-Type: text/plain; charset=utf-8\r\n%s\r\n", status, headers);
    if (!method || strcmp(method, "HEAD") != 0) {
        va_start(arguments, format);
        vprintf(format, arguments);
        va_end(arguments);
    }
    exit(0);
}

// The whole number after `name=` in the query; `fallback` if the query does not name it.
static int number_from_query(const char* query, const char* name, int fallback, int maximum) {
    const size_t length = strlen(name);
    for (const char* item = query; item; item = strchr(item, '&')) {
        if (*item == '&') {
            item++;
        }
        if (strncmp(item, name, length) != 0 || item[length] != '=') {
            continue;
        }
        const char* digits = item + length + 1;
        char* end = NULL;
        const long value = *digits >= '0' && *digits <= '9' ? strtol(digits, &end, 10) : 0;
        if (value < 1 || value > maximum || (*end != '\0' && *end != '&')) {
            answer(
                "400 Bad Request", "", "%s must be a whole number from 1 to %d\n", name, maximum);
        }
        return (int)value;
    }
    return fallback;
}

static struct Body read_body(void) {
    const char* declared = getenv("CONTENT_LENGTH");
    size_t capacity = declared ? strtoul(declared, NULL, 10) + 1 : 0;
    if (capacity < 64 * 1024) {
        capacity = 64 * 1024;
    }
    if (capacity > kMaximumBody + 1) {
        capacity = kMaximumBody + 1;
    }
    struct Body body = {malloc(capacity), 0};
    while (body.bytes) {
        const size_t count = fread(body.bytes + body.size, 1, capacity - body.size, stdin);
        body.size += count;
        if (count == 0) {
            return body;
        }
        if (body.size > kMaximumBody) {
            answer("413 Content Too Large", "", "the picture is over %d bytes\n", kMaximumBody);
        }
        if (body.size == capacity) {
            capacity = capacity * 2 < kMaximumBody + 1 ? capacity * 2 : kMaximumBody + 1;
            unsigned char* larger = realloc(body.bytes, capacity);
            if (!larger) {
                free(body.bytes);
            }
            body.bytes = larger;
        }
    }
    answer("413 Content Too Large", "", "the picture does not fit into memory\n");
}

static struct Image decode(struct Body body) {
    struct Image image = {0};
    if (body.size == 0) {
        answer("400 Bad Request", "", "the body is empty: send a JPEG or PNG\n");
    }
    if (!stbi_info_from_memory(
            body.bytes, (int)body.size, &image.width, &image.height, &image.channels)) {
        answer("400 Bad Request", "", "the body is neither a JPEG nor a PNG that can be read: %s\n",
            stbi_failure_reason());
    }
    if ((int64_t)image.width * image.height > kMaximumPixels) {
        answer("413 Content Too Large", "", "%d x %d pixels are over the %d that are accepted\n",
            image.width, image.height, kMaximumPixels);
    }
    // With transparency there is a fourth channel to lay on white; without, three are enough.
    const int channels = image.channels == 2 || image.channels == 4 ? 4 : 3;
    image.pixels = stbi_load_from_memory(
        body.bytes, (int)body.size, &image.width, &image.height, &image.channels, channels);
    if (!image.pixels && strcmp(stbi_failure_reason(), "Out of memory") == 0) {
        answer("413 Content Too Large", "", "the picture does not fit into memory\n");
    }
    if (!image.pixels) {
        answer("400 Bad Request", "", "the picture cannot be read: %s\n", stbi_failure_reason());
    }
    image.channels = channels;
    return image;
}

static struct Image resize(struct Image image, int width) {
    const int64_t exact = ((int64_t)image.height * width + image.width / 2) / image.width;
    if (exact > kMaximumHeight) {
        answer("400 Bad Request", "", "at that width the picture is over %d pixels high\n",
            kMaximumHeight);
    }
    struct Image result = {NULL, width, exact < 1 ? 1 : (int)exact, image.channels};
    result.pixels = malloc((size_t)result.width * (size_t)result.height * (size_t)result.channels);
    const int alpha = image.channels == 4 ? 3 : STBIR_ALPHA_CHANNEL_NONE;
    if (!result.pixels ||
        !stbir_resize_uint8_srgb(image.pixels, image.width, image.height, 0, result.pixels,
            result.width, result.height, 0, image.channels, alpha, 0)) {
        answer("413 Content Too Large", "", "the picture does not fit into memory\n");
    }
    return result;
}

// JPEG has no transparency: what shines through is white.
static void flatten(struct Image* image) {
    if (image->channels != 4) {
        return;
    }
    const size_t count = (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; i < count; i++) {
        const unsigned char* from = image->pixels + 4 * i;
        for (size_t channel = 0; channel < 3; channel++) {
            const int mixed = from[channel] * from[3] + 255 * (255 - from[3]);
            image->pixels[3 * i + channel] = (unsigned char)(mixed / 255);
        }
    }
    image->channels = 3;
}

static void write_out(void* context, void* bytes, int size) {
    bool* failed = context;
    if (fwrite(bytes, 1, (size_t)size, stdout) != (size_t)size) {
        *failed = true;
    }
}

int main(void) {
    const char* method = getenv("REQUEST_METHOD");
    const char* query = getenv("QUERY_STRING");
    if (!method) {
        method = "POST";
    }
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) {
        answer("200 OK", "",
            "Send a JPEG or PNG as the body; get it back as a JPEG ?width= pixels wide"
            " (1 to %d, else %d).\n",
            kMaximumWidth, kDefaultWidth);
    }
    if (strcmp(method, "POST") != 0 && strcmp(method, "PUT") != 0) {
        answer("405 Method Not Allowed", "Allow: GET, HEAD, POST, PUT\r\n",
            "send the picture with POST or PUT\n");
    }
    const int width = number_from_query(query ? query : "", "width", kDefaultWidth, kMaximumWidth);

    struct Body body = read_body();
    struct Image image = decode(body);
    free(body.bytes);
    struct Image small = resize(image, width);
    stbi_image_free(image.pixels);
    flatten(&small);

    printf("Content-Type: image/jpeg\r\nX-Width: %d\r\nX-Height: %d\r\n\r\n", small.width,
        small.height);
    bool failed = false;
    stbi_write_jpg_to_func(
        write_out, &failed, small.width, small.height, 3, small.pixels, kJpegQuality);
    free(small.pixels);
    return failed || fflush(stdout) != 0 ? 1 : 0;
}
