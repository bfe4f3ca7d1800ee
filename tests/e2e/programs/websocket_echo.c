/* A warm server that says back each frame of a WebSocket, and answers other requests with their
   head.

     GET /refuse   403, also to who asks for a WebSocket
     GET /ticks    three server-sent events, 300 ms apart
     GET /events   server-sent events, 20 ms apart, as long as somebody listens
     GET /silence  an event stream without any, for as long
     GET /open     how many WebSockets and such streams are open */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { kListener = 3, kHead = 32 * 1024, kPayload = 1 << 20 };

static atomic_int open_streams;

static int say(int connection, const void* data, size_t size) {
    const char* at = data;
    while (size > 0) {
        const ssize_t count = send(connection, at, size, MSG_NOSIGNAL);
        if (count <= 0) {
            return 0;
        }
        at += count;
        size -= (size_t)count;
    }
    return 1;
}

static int hear(int connection, void* data, size_t size) {
    char* at = data;
    while (size > 0) {
        const ssize_t count = recv(connection, at, size, 0);
        if (count <= 0) {
            return 0;
        }
        at += count;
        size -= (size_t)count;
    }
    return 1;
}

static uint32_t rotate(uint32_t word, int bits) { return word << bits | word >> (32 - bits); }

/* FIPS 180-4, for texts of at most 119 bytes. */
static void sha1(const char* text, uint8_t digest[20]) {
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t message[128] = {0};
    const size_t size = strlen(text);
    const size_t blocks = size < 56 ? 1 : 2;
    memcpy(message, text, size);
    message[size] = 0x80;
    message[blocks * 64 - 2] = (uint8_t)(size * 8 >> 8);
    message[blocks * 64 - 1] = (uint8_t)(size * 8);
    for (size_t block = 0; block < blocks; ++block) {
        uint32_t w[80];
        for (int i = 0; i < 16; ++i) {
            const uint8_t* b = message + block * 64 + (size_t)i * 4;
            w[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
        }
        for (int i = 16; i < 80; ++i) {
            w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        }
        uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
        for (int i = 0; i < 80; ++i) {
            const uint32_t f = i < 20   ? (b & c) | (~b & d)
                               : i < 40 ? b ^ c ^ d
                               : i < 60 ? (b & c) | (b & d) | (c & d)
                                        : b ^ c ^ d;
            static const uint32_t k[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
            const uint32_t next = rotate(a, 5) + f + e + k[i / 20] + w[i];
            e = d, d = c, c = rotate(b, 30), b = a, a = next;
        }
        h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
    }
    for (int i = 0; i < 20; ++i) {
        digest[i] = (uint8_t)(h[i / 4] >> (24 - i % 4 * 8));
    }
}

static void base64(const uint8_t* data, size_t size, char* out) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        const size_t left = size - i;
        const uint32_t word = (uint32_t)data[i] << 16 |
                              (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                              (left > 2 ? data[i + 2] : 0);
        *out++ = letters[word >> 18];
        *out++ = letters[word >> 12 & 63];
        *out++ = left > 1 ? letters[word >> 6 & 63] : '=';
        *out++ = left > 2 ? letters[word & 63] : '=';
    }
    *out = 0;
}

/* The value of a field, or nothing. */
static const char* field(char* head, const char* name, char* value, size_t room) {
    for (char* line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        const size_t size = strlen(name);
        if (strncasecmp(line, name, size) == 0 && line[size] == ':') {
            const char* text = line + size + 1 + strspn(line + size + 1, " ");
            snprintf(value, room, "%.*s", (int)strcspn(text, "\r"), text);
            return value;
        }
    }
    return NULL;
}

static int echo_frame(int connection) {
    static __thread uint8_t payload[kPayload];
    uint8_t head[14], mask[4], out[10];
    if (!hear(connection, head, 2)) {
        return 0;
    }
    uint64_t size = head[1] & 0x7f;
    if (size >= 126) {
        const int bytes = size == 126 ? 2 : 8;
        if (!hear(connection, head + 2, (size_t)bytes)) {
            return 0;
        }
        size = 0;
        for (int i = 0; i < bytes; ++i) {
            size = size << 8 | head[2 + i];
        }
    }
    if (!(head[1] & 0x80) || size > kPayload || !hear(connection, mask, 4) ||
        !hear(connection, payload, size)) {
        return 0;
    }
    for (uint64_t i = 0; i < size; ++i) {
        payload[i] ^= mask[i % 4];
    }
    const int opcode = head[0] & 15;
    out[0] = opcode == 9 ? 0x8a : head[0];
    size_t head_size = 2;
    if (size < 126) {
        out[1] = (uint8_t)size;
    } else if (size < 65536) {
        out[1] = 126, out[2] = (uint8_t)(size >> 8), out[3] = (uint8_t)size, head_size = 4;
    } else {
        out[1] = 127, head_size = 10;
        for (int i = 0; i < 8; ++i) {
            out[2 + i] = (uint8_t)(size >> (56 - 8 * i));
        }
    }
    if (opcode != 10 && (!say(connection, out, head_size) || !say(connection, payload, size))) {
        return 0;
    }
    return opcode != 8;
}

static void* serve(void* argument) {
    const int connection = (int)(intptr_t)argument;
    static __thread char head[kHead];
    char text[kHead + 256], value[256], key[128], accept[32];
    size_t size = 0;
    while (strstr(head, "\r\n\r\n") == NULL && size < sizeof head - 1) {
        if (!hear(connection, head + size, 1)) {
            break;
        }
        head[++size] = 0;
    }
    if (strncmp(head, "GET /refuse", 11) == 0) {
        say(connection, "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", 42);
    } else if (strncmp(head, "GET /ticks", 10) == 0) {
        say(connection, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", 52);
        for (int tick = 1; tick <= 3; ++tick) {
            snprintf(text, sizeof text, "data: tick %d\n\n", tick);
            say(connection, text, strlen(text));
            nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
        }
    } else if (strncmp(head, "GET /events", 11) == 0 || strncmp(head, "GET /silence", 12) == 0) {
        atomic_fetch_add(&open_streams, 1);
        int listens =
            say(connection, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", 52);
        if (head[5] == 's') {
            hear(connection, text, 1);
        }
        for (int tick = 1; listens && head[5] == 'e'; ++tick) {
            snprintf(text, sizeof text, "data: tick %d\n\n", tick);
            listens = say(connection, text, strlen(text));
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        }
        atomic_fetch_sub(&open_streams, 1);
    } else if (strncmp(head, "GET /open", 9) == 0) {
        snprintf(value, sizeof value, "%d", atomic_load(&open_streams));
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
            strlen(value), value);
        say(connection, text, strlen(text));
    } else if (field(head, "sec-websocket-key", value, 64) != NULL) {
        uint8_t digest[20];
        snprintf(key, sizeof key, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", value);
        sha1(key, digest);
        base64(digest, sizeof digest, accept);
        const char* protocol = field(head, "sec-websocket-protocol", value, sizeof value);
        snprintf(text, sizeof text,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: %s\r\n%s%s%s\r\n",
            accept, protocol ? "Sec-WebSocket-Protocol: " : "", protocol ? protocol : "",
            protocol ? "\r\n" : "");
        atomic_fetch_add(&open_streams, 1);
        if (say(connection, text, strlen(text))) {
            while (echo_frame(connection)) {
            }
        }
        atomic_fetch_sub(&open_streams, 1);
    } else {
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", size, head);
        say(connection, text, strlen(text));
    }
    shutdown(connection, SHUT_WR);
    close(connection);
    return NULL;
}

int main(void) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (;;) {
        const int connection = accept(kListener, NULL, NULL);
        pthread_t thread;
        if (connection < 0) {
            continue;
        }
        if (pthread_create(&thread, &attributes, serve, (void*)(intptr_t)connection) != 0) {
            close(connection);
        }
    }
}
