// The layers of the U-Net for WebAssembly, four numbers at a time; unet.js walks the network and calls them.
//
// A map is size × size pixels, row by row, the channels of a pixel side by side (their number is a multiple of 4).
// A border of zeros, one pixel wide, lies around it: it is the padding of the convolutions and is never written.
//
// Compiled in this folder, and compared with unet.wasm by a test:
//   python -m ziglang cc -target wasm32-freestanding -mcpu=generic+simd128 -O3 -nostdlib -s -Wl,--no-entry -Wl,--export=__heap_base -o unet.wasm unet.c

#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(#name)))
#define INLINE static inline __attribute__((always_inline))

typedef float four __attribute__((vector_size(16), aligned(4), may_alias)); // four numbers side by side

enum { PIXELS = 4 }; // neighbours in a row that are convolved together: each weight is loaded once for all of them

INLINE four load(const float *place) { return *(const four *)place; }
INLINE void store(float *place, four value) { *(four *)place = value; }
INLINE float *inside(float *map, int size, int channels) { return map ? map + (size + 3) * channels : 0; }

// PIXELS pixels times 4 · wide output channels of a convolution, kept in registers until every input has been added.
// weights: [tap][input channel][output channel].  step leads from one pixel's input to the next one's.
INLINE void tile(const int wide, const float *x, int row, int step, int taps, int c_in, const float *weights, int c_out,
                 const float *bias, const float *added, float *y) {
  four sum[PIXELS][2];
  for (int p = 0; p < PIXELS; p++)
    for (int v = 0; v < wide; v++) sum[p][v] = load(bias + 4 * v);
  for (int tap = 0; tap < taps * taps; tap++) {
    const float *input = x + tap / taps * row + tap % taps * c_in;
    for (int c = 0; c < c_in; c++, weights += c_out)
      for (int p = 0; p < PIXELS; p++)
        for (int v = 0; v < wide; v++) sum[p][v] += input[p * step + c] * load(weights + 4 * v);
  }
  for (int p = 0; p < PIXELS; p++)
    for (int v = 0; v < wide; v++) {
      int k = p * c_out + 4 * v;
      store(y + k, added ? sum[p][v] + load(added + k) : sum[p][v]);
    }
}

// A convolution with taps × taps weights (3 or 1): y = bias + weights * x, plus the map `added` unless that is 0.
// y has size × size pixels, x has stride · size.  The last tile of a row lies back over the one before it.
EXPORT(convolve)
void convolve(const float *x, int c_in, const float *weights, const float *bias, int taps, int stride, float *added,
              float *y, int size, int c_out) {
  int row = (stride * size + 2) * c_in;
  if (taps == 1) x += row + c_in;
  y = inside(y, size, c_out), added = inside(added, size, c_out);
  for (int wide, o = 0; o < c_out; o += 4 * wide) {
    wide = c_out - o >= 8 ? 2 : 1;
    for (int i = 0; i < size; i++)
      for (int k = 0; k < size; k += PIXELS) {
        int j = k < size - PIXELS ? k : size - PIXELS, place = (i * (size + 2) + j) * c_out + o;
        const float *from = x + stride * (i * row + j * c_in), *plus = added ? added + place : 0;
        if (wide == 2) tile(2, from, row, stride * c_in, taps, c_in, weights + o, c_out, bias + o, plus, y + place);
        if (wide == 1) tile(1, from, row, stride * c_in, taps, c_in, weights + o, c_out, bias + o, plus, y + place);
      }
  }
}

// x / (1 + exp(−x)).  exp(z) is 2^n exp(r) with |r| ≤ ln(2) / 2, for which eight terms of the series are enough.
INLINE four silu_of(four x) {
  const four low = {-87, -87, -87, -87}, one = {1, 1, 1, 1};
  four z = wasm_f32x4_min(wasm_f32x4_max(-x, low), -low);
  four n = wasm_f32x4_nearest(z * 1.44269504f);
  four r = z - n * 0.693359375f + n * 2.12194440e-4f; // ln 2 in two parts, so that n of them lose no digits
  four e = one;
  for (int k = 7; k > 0; k--) e = one + e * r * (1.0f / k);
  four power = wasm_i32x4_shl(wasm_i32x4_add(wasm_i32x4_trunc_sat_f32x4(n), wasm_i32x4_const_splat(127)), 23);
  return x / (one + e * power);
}

EXPORT(silu) void silu(float *x, int count) {
  for (int k = 0; k < count; k += 4) store(x + k, silu_of(load(x + k)));
}

// For each channel the sum of (x − centre)^power over the pixels.
INLINE void sums(const float *x, int size, int channels, const float *centre, int power, float *sum) {
  for (int c = 0; c < channels; c += 4) {
    four total = {0, 0, 0, 0};
    for (int i = 0; i < size; i++)
      for (int j = 0; j < size; j++) {
        four d = load(x + (i * (size + 2) + j) * channels + c) - load(centre + c);
        total += power == 2 ? d * d : d;
      }
    store(sum + c, total);
  }
}

// Sums over pixels become means over a group's channels and pixels, the same for all channels of the group.
INLINE void share(float *sum, int channels, int groups, int pixels) {
  int members = channels / groups;
  for (int first = 0; first < channels; first += members) {
    float total = 0;
    for (int c = first; c < first + members; c++) total += sum[c];
    for (int c = first; c < first + members; c++) sum[c] = total / (pixels * members);
  }
}

// Group normalisation, then the time's scale and shift (unless time is 0), then SiLU.  room: for 2 · channels numbers.
EXPORT(norm)
void norm(float *x, int size, int channels, int groups, const float *gamma, const float *beta, const float *time,
          float *room, float *y) {
  float *mean = room, *scale = room + channels;
  x = inside(x, size, channels), y = inside(y, size, channels);
  for (int c = 0; c < channels; c++) mean[c] = 0;
  sums(x, size, channels, mean, 1, scale);
  for (int c = 0; c < channels; c++) mean[c] = scale[c];
  share(mean, channels, groups, size * size);
  sums(x, size, channels, mean, 2, scale);
  share(scale, channels, groups, size * size);
  for (int c = 0; c < channels; c++) {
    scale[c] = gamma[c] / __builtin_sqrtf(scale[c] + 1e-5f);
    mean[c] = beta[c] - mean[c] * scale[c]; // from here on it is what is added
    if (time) scale[c] *= 1 + time[c], mean[c] = mean[c] * (1 + time[c]) + time[channels + c];
  }
  for (int i = 0; i < size; i++)
    for (int j = 0, k = i * (size + 2) * channels; j < size; j++)
      for (int c = 0; c < channels; c += 4, k += 4)
        store(y + k, silu_of(load(x + k) * load(scale + c) + load(mean + c)));
}

// y = bias + weights · x, with weights [output][input].
EXPORT(linear) void linear(const float *x, int n, const float *weights, const float *bias, float *y, int m) {
  for (int o = 0; o < m; o++, weights += n) {
    four total = {0, 0, 0, 0};
    for (int k = 0; k < n; k += 4) total += load(x + k) * load(weights + k);
    y[o] = bias[o] + (total[0] + total[1]) + (total[2] + total[3]);
  }
}

// Twice as high and wide, each pixel four times.
EXPORT(upsample) void upsample(float *x, int size, int channels, float *y) {
  x = inside(x, size, channels), y = inside(y, 2 * size, channels);
  for (int i = 0; i < 2 * size; i++)
    for (int j = 0; j < 2 * size; j++)
      for (int c = 0; c < channels; c += 4)
        store(y + (i * (2 * size + 2) + j) * channels + c, load(x + (i / 2 * (size + 2) + j / 2) * channels + c));
}

// The channels of a, then those of b.
EXPORT(join) void join(const float *a, int c_a, const float *b, int c_b, float *y, int size) {
  for (int k = (size + 2) * (size + 2); k > 0; k--, a += c_a, b += c_b, y += c_a + c_b) {
    for (int c = 0; c < c_a; c += 4) store(y + c, load(a + c));
    for (int c = 0; c < c_b; c += 4) store(y + c_a + c, load(b + c));
  }
}
