// Makes photo.jpg: a mountain lake at dawn, computed, so that nobody has rights in it. `make photo`
// runs it.

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define STB_IMAGE_WRITE_IMPLEMENTATION
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <stb_image_write.h>
#pragma clang diagnostic pop

enum { kWidth = 1600, kHeight = 1200, kRidges = 6, kQuality = 82 };

struct Color {
    float r, g, b;
};

static const float kHorizon = 0.60F;
static const float kSunX = 0.68F, kSunY = 0.40F;

static struct Color mix(struct Color a, struct Color b, float t) {
    return (struct Color){a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

static float clamp(float x) { return x < 0 ? 0 : x > 1 ? 1 : x; }

static float smooth(float from, float to, float x) {
    const float t = clamp((x - from) / (to - from));
    return t * t * (3 - 2 * t);
}

static float hash(int x, int y, int seed) {
    uint32_t h =
        (uint32_t)x * 0x8da6b343U ^ (uint32_t)y * 0xd8163841U ^ (uint32_t)seed * 0xcb1ab31fU;
    h = (h ^ (h >> 15)) * 0x2c1b3c6dU;
    h = (h ^ (h >> 12)) * 0x297a2d39U;
    return (float)((h ^ (h >> 15)) & 0xffffffU) / 16777216.0F;
}

static float noise(float x, float y, int seed) {
    const int ix = (int)floorf(x), iy = (int)floorf(y);
    const float fx = smooth(0, 1, x - (float)ix), fy = smooth(0, 1, y - (float)iy);
    const float top = hash(ix, iy, seed) * (1 - fx) + hash(ix + 1, iy, seed) * fx;
    const float bottom = hash(ix, iy + 1, seed) * (1 - fx) + hash(ix + 1, iy + 1, seed) * fx;
    return top * (1 - fy) + bottom * fy;
}

static float fractal(float x, float y, int octaves, int seed) {
    float sum = 0, amplitude = 0.5F;
    for (int i = 0; i < octaves; i++, x *= 2.03F, y *= 2.03F, amplitude *= 0.5F) {
        sum += amplitude * noise(x, y, seed + i);
    }
    return sum;
}

static struct Color sky(float x, float y) {
    const struct Color zenith = {0.20F, 0.36F, 0.62F}, low = {0.98F, 0.78F, 0.58F};
    struct Color color = mix(zenith, low, powf(clamp(y / kHorizon), 1.6F));
    const float dx = (x - kSunX) * 1.333F, dy = y - kSunY, distance = sqrtf(dx * dx + dy * dy);
    const float cloud = smooth(0.46F, 0.78F, fractal(x * 5 + 3, y * 15, 7, 40));
    const struct Color lit = {1.0F, 0.86F - 0.25F * distance, 0.74F - 0.35F * distance};
    color = mix(color, lit, 0.75F * cloud * smooth(0.0F, 0.3F, y));
    const float glow = 0.55F * expf(-distance * 7) + 1.3F * smooth(0.026F, 0.018F, distance);
    return (struct Color){color.r + glow, color.g + glow * 0.86F, color.b + glow * 0.62F};
}

// How high the ridge stands at x: 0 is the farthest.
static float ridge_top(int ridge, float x) {
    const float depth = (float)ridge / (float)(kRidges - 1);
    const float scale = 2.2F + 2.4F * depth;
    const float shape =
        fractal(x * scale + 17.0F * (float)ridge, 3.7F * (float)ridge, 9, 100 * ridge);
    return kHorizon - (0.40F - 0.30F * depth) * (shape - 0.18F) - 0.004F;
}

static struct Color ridge_color(int ridge, float x, float y, float top) {
    const float depth = (float)ridge / (float)(kRidges - 1);
    const struct Color far = {0.62F, 0.62F, 0.70F}, near = {0.10F, 0.16F, 0.12F};
    const float rock = fractal(x * 60, y * 60 + 9.0F * (float)ridge, 6, 300 + ridge) - 0.5F;
    const float slope = ridge_top(ridge, x + 0.004F) - ridge_top(ridge, x - 0.004F);
    const float light = clamp(0.5F + slope * 22) - 0.5F;
    struct Color color = mix(far, near, powf(depth, 0.7F));
    const float shade = 1 + (0.25F + 0.75F * depth) * rock + 0.5F * light;
    color = (struct Color){color.r * shade, color.g * shade, color.b * shade};
    const float snow =
        (1 - depth) * smooth(0.02F, -0.01F, y - top - 0.035F - 0.08F * (rock + 0.1F));
    color =
        mix(color, (struct Color){0.96F, 0.88F, 0.86F}, 0.75F * snow * smooth(0.45F, 0.30F, top));
    const struct Color haze = {0.90F, 0.76F, 0.66F};
    const float mist = fractal(x * 4, y * 20, 5, 500 + ridge);
    return mix(color, haze,
        clamp((0.75F - 0.7F * depth) * smooth(top, kHorizon + 0.03F, y) +
              0.25F * mist * (1 - depth)));
}

static struct Color land_and_sky(float x, float y) {
    for (int ridge = kRidges - 1; ridge >= 0; ridge--) {
        const float top = ridge_top(ridge, x);
        if (y > top) {
            return ridge_color(ridge, x, y, top);
        }
    }
    return sky(x, y);
}

static struct Color lake(float x, float y) {
    const float depth = (y - kHorizon) / (1 - kHorizon);
    const float frequency = 24 / (0.08F + depth);
    const float wave = fractal(x * frequency * 0.35F, y * frequency * 2.2F, 4, 700) - 0.47F;
    const float mirror = kHorizon - (y - kHorizon) * 1.25F + wave * (0.012F + 0.07F * depth);
    const struct Color reflected = land_and_sky(x + wave * 0.02F, mirror < 0 ? 0 : mirror);
    const struct Color water = {0.05F, 0.12F, 0.17F};
    return mix(reflected, water, 0.22F + 0.38F * depth - 0.5F * wave * depth);
}

static float reeds(float x, float y) {
    const float bank = 0.95F - 0.10F * fractal(x * 3, 1, 5, 900) + 0.05F * smooth(0.2F, 0.9F, x);
    float cover = smooth(bank - 0.004F, bank + 0.01F, y);
    for (int i = 0; i < 3; i++) {
        const float lean = (noise(x * 9, (float)i, 910) - 0.5F) * (bank - y) * 0.8F;
        const float cell = (x + lean) * (float)(190 + 60 * i);
        const float height =
            0.12F * hash((int)floorf(cell), i, 920) * fractal(x * 6, (float)i, 3, 930);
        const float across = fabsf(cell - floorf(cell) - 0.5F);
        if (y > bank - height) {
            cover = fmaxf(cover, smooth(0.35F, 0.15F, across));
        }
    }
    return cover;
}

static struct Color scene(float x, float y) {
    struct Color color = y > kHorizon ? lake(x, y) : land_and_sky(x, y);
    const float blades = fractal(x * 220, y * 40, 4, 950);
    const struct Color grass = {
        0.10F + 0.12F * blades, 0.11F + 0.14F * blades, 0.05F + 0.04F * blades};
    return mix(color, grass, reeds(x, y));
}

static unsigned char develop(float light, float vignette, float grain) {
    const float exposed = 1 - expf(-1.75F * (light < 0 ? 0 : light) * vignette);
    return (unsigned char)(255 * clamp(powf(exposed, 0.95F) * 1.06F + grain) + 0.5F);
}

static void write_out(void* file, void* bytes, int size) { fwrite(bytes, 1, (size_t)size, file); }

int main(void) {
    unsigned char* pixels = malloc((size_t)kWidth * kHeight * 3);
    if (!pixels) {
        return 1;
    }
    for (int row = 0; row < kHeight; row++) {
        for (int column = 0; column < kWidth; column++) {
            const float x = ((float)column + 0.5F) / (float)kWidth,
                        y = ((float)row + 0.5F) / (float)kHeight;
            const struct Color color = scene(x, y);
            const float vignette = 1 - 0.55F * ((x - 0.5F) * (x - 0.5F) + (y - 0.5F) * (y - 0.5F));
            const float grain = (hash(column, row, 999) + hash(row, column, 998) - 1) * 0.018F;
            unsigned char* to = pixels + 3 * ((size_t)row * kWidth + (size_t)column);
            to[0] = develop(color.r, vignette, grain);
            to[1] = develop(color.g, vignette, grain);
            to[2] = develop(color.b, vignette, grain);
        }
    }
    FILE* file = fopen("photo.jpg", "wb");
    if (!file) {
        return 1;
    }
    const int written =
        stbi_write_jpg_to_func(write_out, file, kWidth, kHeight, 3, pixels, kQuality);
    free(pixels);
    return fclose(file) == 0 && written ? 0 : 1;
}
