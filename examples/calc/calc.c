/* Reverse Polish notation: each `arg` of the query is a number or one of + - * /. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t stack[64];
static size_t depth = 0;

static int refuse(const char* why) {
    printf("Status: 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n%s\n", why);
    return 0;
}

static int digit(char c) {
    const char* at = strchr("0123456789abcdef", c | ('A' <= c && c <= 'F' ? 32 : 0));
    return c != '\0' && at != NULL ? (int)(at - "0123456789abcdef") : -1;
}

/* Percent escapes in place. */
static bool decode(char* text) {
    char* out = text;
    for (; *text != '\0'; ++text) {
        if (*text == '%') {
            const int high = digit(text[1]);
            const int low = high < 0 ? -1 : digit(text[2]);
            if (low < 0) {
                return false;
            }
            *out++ = (char)(high * 16 + low);
            text += 2;
        } else {
            *out++ = *text;
        }
    }
    *out = '\0';
    return true;
}

static bool apply(char operator, const char** why) {
    if (depth < 2) {
        *why = "an operator needs two numbers before it";
        return false;
    }
    const int64_t b = stack[--depth];
    const int64_t a = stack[--depth];
    int64_t result = 0;
    bool overflow = false;
    if (operator== '/') {
        overflow = b == 0 || (a == INT64_MIN && b == -1);
        result = overflow ? 0 : a / b;
    } else if (operator== '+') {
        overflow = __builtin_add_overflow(a, b, &result);
    } else if (operator== '-') {
        overflow = __builtin_sub_overflow(a, b, &result);
    } else {
        overflow = __builtin_mul_overflow(a, b, &result);
    }
    *why = "the result is no integer of 64 bits";
    stack[depth++] = result;
    return !overflow;
}

static bool take(char* token, const char** why) {
    if (strlen(token) == 1 && strchr("+-*/", *token) != NULL) {
        return apply(*token, why);
    }
    char* end = NULL;
    errno = 0;
    const int64_t number = strtoll(token, &end, 10);
    *why = "each arg is an integer or one of + - * /";
    if (errno != 0 || *token == '\0' || *end != '\0' || depth == 64) {
        return false;
    }
    stack[depth++] = number;
    return true;
}

int main(void) {
    const char* query = getenv("QUERY_STRING");
    char* rest = strdup(query == NULL ? "" : query);
    const char* why = NULL;
    for (char* part = strtok(rest, "&"); part != NULL; part = strtok(NULL, "&")) {
        if (strncmp(part, "arg=", 4) != 0) {
            continue;
        }
        if (!decode(part + 4)) {
            return refuse("a bad percent escape");
        }
        if (!take(part + 4, &why)) {
            return refuse(why);
        }
    }
    if (depth != 1) {
        return refuse("one number must be left at the end");
    }
    printf("Content-Type: text/plain\r\n\r\n%" PRId64 "\n", stack[0]);
    return 0;
}
