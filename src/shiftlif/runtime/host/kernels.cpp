// The kernels of one instruction set: this file is compiled once for each (SHIFTLIF_KERNELS names it).
#include "host.hpp"
#include "registers.hpp"

#include <algorithm>
#include <cstring>

namespace shiftlif {
namespace {

// [rows][columns] bytes to [columns][rows], in squares of 16.
void transpose(uint8_t *target, const uint8_t *source, uint32_t rows, uint32_t columns) {
    if (rows == 1 || columns == 1) {
        std::memcpy(target, source, size_t{rows} * columns);
        return;
    }
    for (uint32_t r = 0; r < rows; r += 16) {
        for (uint32_t c = 0; c < columns; c += 16) {
            const uint32_t high = std::min(16u, rows - r), wide = std::min(16u, columns - c);
            if (high < 16 || wide < 16) {
                for (uint32_t i = 0; i < high; i++)
                    for (uint32_t j = 0; j < wide; j++)
                        target[size_t{c + j} * rows + r + i] = source[size_t{r + i} * columns + c + j];
                continue;
            }
            // Interleaving the halves of a square four times exchanges the four bits of row and column numbers.
            Bytes a[16], b[16];
            for (int i = 0; i < 16; i++) a[i] = load_bytes(source + size_t{r + i} * columns + c);
            for (int round = 0; round < 4; round++) {
                for (int i = 0; i < 8; i++) {
                    b[2 * i] = interleave_low(a[i], a[i + 8]);
                    b[2 * i + 1] = interleave_high(a[i], a[i + 8]);
                }
                for (int i = 0; i < 16; i++) a[i] = b[i];
            }
            for (int j = 0; j < 16; j++) store_bytes(target + size_t{c + j} * rows + r, a[j]);
        }
    }
}

// Copies the source into its padded form.
void pack(const Dense &d, const sl_synapse &s, const sl_wire &from, const uint8_t *source, uint8_t *copy) {
    const uint32_t position = s.in * d.element, count = s.extent[1] * s.in;
    const int zero = d.element == 1 ? SURPLUS : 0;
    const size_t side = size_t{s.padding[1]} * position;
    uint8_t *row = copy;
    std::memset(row, zero, s.padding[0] * size_t{d.row});
    row += s.padding[0] * size_t{d.row};
    for (uint32_t y = 0; y < s.extent[0]; y++) {
        std::memset(row, zero, side);
        uint8_t *to = row + side;
        if (d.element == 1) {
            for (uint32_t i = 0; i < count; i++) to[i] = static_cast<uint8_t>(source[i] + SURPLUS);
        } else if (from.bytes == 1) {
            auto *wide = reinterpret_cast<int16_t *>(to);
            for (uint32_t i = 0; i < count; i++) wide[i] = static_cast<int8_t>(source[i]);
        } else {
            std::memcpy(to, source, size_t{count} * 2);
        }
        std::memset(to + size_t{count} * d.element, zero, side);
        source += size_t{count} * from.bytes;
        row += d.row;
    }
    std::memset(row, zero, s.padding[0] * size_t{d.row});
}

template <uint32_t ELEMENT_OF, uint32_t B, uint32_t J>
inline __attribute__((always_inline)) void tile(const Dense &d, const uint8_t *copy, const uint32_t *windows, uint32_t strip,
                                                int32_t *currents) {
    Register sums[B][J];
    const uint32_t pitch = d.vectors * LANES_OF;
    const int32_t *start = d.start.get() + strip * J * LANES_OF;
    for (uint32_t b = 0; b < B; b++)
        for (uint32_t j = 0; j < J; j++) sums[b][j] = load(start + j * LANES_OF);
    const int8_t *weights = d.weights.get() + size_t{strip} * d.runs * d.quads * J * LANES_OF * 4;
    for (uint32_t run = 0; run < d.runs; run++) {
        const uint8_t *base = copy + d.run_at[run];
        const uint8_t *at[B];
        for (uint32_t b = 0; b < B; b++) at[b] = base + windows[b];
        for (uint32_t q = 0; q < d.quads; q++) {
            Register w[J];
            for (uint32_t j = 0; j < J; j++) w[j] = load(weights + size_t{j} * LANES_OF * 4);
            weights += size_t{J} * LANES_OF * 4;
            for (uint32_t b = 0; b < B; b++) {
                int32_t four;
                std::memcpy(&four, at[b] + size_t{q} * 4, 4);
                const Register a = spread(four);
                for (uint32_t j = 0; j < J; j++)
                    sums[b][j] = ELEMENT_OF == 1 ? multiply_add8(sums[b][j], a, w[j]) : multiply_add16(sums[b][j], a, w[j]);
            }
        }
    }
    for (uint32_t b = 0; b < B; b++)
        for (uint32_t j = 0; j < J; j++) store(currents + size_t{b} * pitch + (strip * J + j) * LANES_OF, sums[b][j]);
}

template <uint32_t ELEMENT_OF, uint32_t J>
void strips(const Dense &d, const uint8_t *copy, const uint32_t *windows, uint32_t count, int32_t *currents) {
    constexpr uint32_t B = 8 * J <= SUMS ? 8 : 4;
    const uint32_t pitch = d.vectors * LANES_OF;
    for (uint32_t strip = 0; strip < d.vectors / J; strip++) {
        uint32_t b = 0;
        for (; b + B <= count; b += B)
            tile<ELEMENT_OF, B, J>(d, copy, windows + b, strip, currents + size_t{b} * pitch);
        for (; b + 2 <= count; b += 2)
            tile<ELEMENT_OF, 2, J>(d, copy, windows + b, strip, currents + size_t{b} * pitch);
        for (; b < count; b++)
            tile<ELEMENT_OF, 1, J>(d, copy, windows + b, strip, currents + size_t{b} * pitch);
    }
}

template <uint32_t ELEMENT_OF>
void by_block(const Dense &d, const uint8_t *copy, const uint32_t *windows, uint32_t count, int32_t *currents) {
    switch (d.block) {
    case 1: return strips<ELEMENT_OF, 1>(d, copy, windows, count, currents);
    case 2: return strips<ELEMENT_OF, 2>(d, copy, windows, count, currents);
    case 3: return strips<ELEMENT_OF, 3>(d, copy, windows, count, currents);
    default: return strips<ELEMENT_OF, 4>(d, copy, windows, count, currents);
    }
}

void dense(const Dense &d, const uint8_t *copy, const uint32_t *windows, uint32_t count, int32_t *currents) {
    if (ELEMENT == 1 && d.element == 1) return by_block<1>(d, copy, windows, count, currents);
    return by_block<2>(d, copy, windows, count, currents);
}

template <class T, uint32_t N> struct vector_of {
    typedef T type __attribute__((vector_size(N * sizeof(T)), aligned(sizeof(T)), may_alias));
};
template <class T, uint32_t N> using Vector = typename vector_of<T, N>::type;
template <class T, uint32_t N> inline Vector<T, N> &at(T *p) { return *reinterpret_cast<Vector<T, N> *>(p); }
template <class T, uint32_t N> inline const Vector<T, N> &at(const T *p) { return *reinterpret_cast<const Vector<T, N> *>(p); }

constexpr uint32_t UNROLLED = 6;  // thresholds, up to which the tables of a group of channels stay in registers

#if defined(__AVX512BW__)
inline __mmask32 first(uint32_t left) { return left >= 32 ? ~__mmask32{0} : static_cast<__mmask32>((1u << left) - 1); }

// 16 membranes of 32 bits; `L` thresholds, or any number where it is 0.
template <bool HARD, uint32_t L>
void fire_wide(const Fire &f, const sl_neuron &n, const int32_t *currents, uint32_t pitch, uint32_t count, uint8_t *membranes,
               int8_t *letters) {
    const bool leaks = n.leak_shift != SL_NO_LEAK;
    const __m512i shift = spread(n.shift), leak = spread(leaks ? n.leak_shift : 0), lowest = spread(f.letters[0]);
    const auto leaking = static_cast<__mmask16>(leaks ? 0xFFFF : 0);
    const uint32_t levels = L == 0 ? n.levels : L;
    for (uint32_t c = 0; c < n.channels; c += 16) {
        const auto here = static_cast<__mmask16>(first(n.channels - c));
        const __m512i bias = load(&f.bias[c]), start = load(&f.resets[c]);
        __m512i limits[L + 1], steps[L + 1], resets[L + 1];
        for (uint32_t k = 0; k < L; k++) {
            limits[k] = load(&f.thresholds[size_t{k} * f.padded + c]);
            steps[k] = spread(f.letters[k + 1]);
            resets[k] = load(&f.resets[size_t{k + 1} * f.padded + c]);
        }
        const int32_t *x = currents + c;
        uint8_t *membrane = membranes + size_t{c} * 4;
        int8_t *sent = letters + c;
        for (uint32_t b = 0; b < count; b++) {
            __m512i v = _mm512_maskz_loadu_epi32(here, membrane);
            v = _mm512_mask_sub_epi32(v, leaking, v, _mm512_srav_epi32(v, leak));
            v = _mm512_add_epi32(v, _mm512_add_epi32(_mm512_sllv_epi32(_mm512_maskz_loadu_epi32(here, x), shift), bias));
            __m512i letter = lowest, reset = start;
            for (uint32_t k = 0; k < levels; k++) {
                const __m512i limit = L == 0 ? load(&f.thresholds[size_t{k} * f.padded + c]) : limits[k];
                const __m512i step = L == 0 ? spread(f.letters[k + 1]) : steps[k];
                const __m512i more = L == 0 ? load(&f.resets[size_t{k + 1} * f.padded + c]) : resets[k];
                const __mmask16 passed = _mm512_cmpge_epi32_mask(v, limit);
                letter = _mm512_mask_add_epi32(letter, passed, letter, step);
                if (!HARD) reset = _mm512_mask_add_epi32(reset, passed, reset, more);
            }
            v = HARD ? _mm512_maskz_mov_epi32(_mm512_testn_epi32_mask(letter, letter), v) : _mm512_sub_epi32(v, reset);
            _mm512_mask_storeu_epi32(membrane, here, v);
            _mm_mask_storeu_epi8(sent, here, _mm512_cvtepi32_epi8(letter));
            x += pitch;
            membrane += size_t{n.channels} * 4;
            sent += n.channels;
        }
    }
}

// 32 membranes of 16 bits; of two positions where there are 16 channels, whose tables are there twice.
template <bool HARD, uint32_t L>
void fire_narrow(const Fire &f, const sl_neuron &n, const int32_t *currents, uint32_t pitch, uint32_t count, uint8_t *membranes,
                 int8_t *letters) {
    const __m128i shift = _mm_cvtsi32_si128(n.shift), leak = _mm_cvtsi32_si128(n.leak_shift == SL_NO_LEAK ? 0 : n.leak_shift);
    const __m512i leaks = spread(n.leak_shift == SL_NO_LEAK ? 0 : -1);
    const __m512i lowest = _mm512_set1_epi16(static_cast<int16_t>(f.letters[0]));
    const uint32_t levels = L == 0 ? n.levels : L;
    const bool paired = n.channels == 16 && pitch == 16;
    const uint32_t channels = paired ? 32 : n.channels, rows = paired ? (count + 1) / 2 : count;
    const uint32_t x_pitch = paired ? 32 : pitch;
    for (uint32_t c = 0; c < channels; c += 32) {
        const __m512i bias = load(&f.bias16[c]), start = load(&f.resets16[c]);
        __m512i limits[L + 1], steps[L + 1], resets[L + 1];
        for (uint32_t k = 0; k < L; k++) {
            limits[k] = load(&f.below16[size_t{k} * f.padded + c]);
            steps[k] = _mm512_set1_epi16(static_cast<int16_t>(f.letters[k + 1]));
            resets[k] = load(&f.resets16[size_t{k + 1} * f.padded + c]);
        }
        const int32_t *x = currents + c;
        uint8_t *membrane = membranes + size_t{c} * 2;
        int8_t *sent = letters + c;
        for (uint32_t b = 0; b < rows; b++) {
            const __mmask32 here = first(paired ? (count - 2 * b) * 16 : channels - c);
            const __m256i low = _mm512_cvtepi32_epi16(_mm512_maskz_loadu_epi32(static_cast<__mmask16>(here), x));
            const __m256i high = _mm512_cvtepi32_epi16(_mm512_maskz_loadu_epi32(static_cast<__mmask16>(here >> 16), x + 16));
            const __m512i current = _mm512_sll_epi16(_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1), shift);
            __m512i v = _mm512_maskz_loadu_epi16(here, membrane);
            v = _mm512_sub_epi16(v, _mm512_and_si512(leaks, _mm512_sra_epi16(v, leak)));
            v = _mm512_add_epi16(v, _mm512_add_epi16(current, bias));
            __m512i letter = lowest, reset = start;
            for (uint32_t k = 0; k < levels; k++) {
                const __m512i limit = L == 0 ? load(&f.below16[size_t{k} * f.padded + c]) : limits[k];
                const __m512i step = L == 0 ? _mm512_set1_epi16(static_cast<int16_t>(f.letters[k + 1])) : steps[k];
                const __m512i more = L == 0 ? load(&f.resets16[size_t{k + 1} * f.padded + c]) : resets[k];
                const __mmask32 passed = _mm512_cmpgt_epi16_mask(v, limit);
                letter = _mm512_mask_add_epi16(letter, passed, letter, step);
                if (!HARD) reset = _mm512_mask_add_epi16(reset, passed, reset, more);
            }
            v = HARD ? _mm512_maskz_mov_epi16(_mm512_testn_epi16_mask(letter, letter), v) : _mm512_sub_epi16(v, reset);
            _mm512_mask_storeu_epi16(membrane, here, v);
            _mm256_mask_storeu_epi8(sent, here, _mm512_cvtepi16_epi8(letter));
            x += x_pitch;
            membrane += size_t{channels} * 2;
            sent += channels;
        }
    }
}
#else
// A register of membranes, or 1 of what is left. All sums are taken modulo 2^16 or 2^32; the range proof says that what is
// compared and kept fits.
template <class V, class U, bool HARD, uint32_t N>
inline void fire_group(const sl_neuron &n, const int32_t *letters, const int32_t *x, const V *bias, const V *limits,
                       const V *resets, uint32_t pitch, V *membranes, int8_t *sent) {
    using Vs = Vector<V, N>;
    using Us = Vector<U, N>;
    Vs v = at<V, N>(membranes);
    if (n.leak_shift != SL_NO_LEAK) v -= v >> std::min<int>(n.leak_shift, sizeof(V) * 8 - 1);
    const auto shifted = (Vector<uint32_t, N>)(at<int32_t, N>(x)) << n.shift;
    v = (Vs)((Us)v + __builtin_convertvector(shifted, Us) + (Us)at<V, N>(bias));
    Us letter = (Us)(Vs{} + static_cast<V>(letters[0])), reset = (Us)at<V, N>(resets);
    for (uint32_t k = 0; k < n.levels; k++) {
        const Vs limit = at<V, N>(limits + size_t{k} * pitch);
        const auto passed = (Us)(sizeof(V) == 2 ? v > limit : v >= limit);
        letter += passed & (Us)(Vs{} + static_cast<V>(letters[k + 1]));
        if (!HARD) reset += passed & (Us)at<V, N>(resets + (size_t{k} + 1) * pitch);
    }
    at<V, N>(membranes) = HARD ? (Vs)((Us)v & (Us)((Vs)letter == 0)) : (Vs)((Us)v - reset);
    const auto half = __builtin_convertvector(letter, Vector<uint16_t, N>);  // GCC narrows no number to a quarter at once
    at<int8_t, N>(sent) = __builtin_convertvector(half, Vector<int8_t, N>);
}

template <class V, class U, bool HARD>
void fire_rows(const Fire &f, const sl_neuron &n, const int32_t *x, const V *bias, const V *limits, const V *resets,
               uint32_t pitch, uint32_t count, V *membranes, int8_t *letters) {
    constexpr uint32_t N = sizeof(Register) / sizeof(V);  // more would be compared one by one
    for (uint32_t b = 0; b < count; b++) {
        uint32_t c = 0;
        for (; c + N <= n.channels; c += N)
            fire_group<V, U, HARD, N>(n, f.letters.data(), x + c, bias + c, limits + c, resets + c, f.padded, membranes + c,
                                      letters + c);
        for (; c < n.channels; c++)
            fire_group<V, U, HARD, 1>(n, f.letters.data(), x + c, bias + c, limits + c, resets + c, f.padded, membranes + c,
                                      letters + c);
        x += pitch;
        membranes += n.channels;
        letters += n.channels;
    }
}

template <bool HARD, uint32_t>
void fire_wide(const Fire &f, const sl_neuron &n, const int32_t *currents, uint32_t pitch, uint32_t count, uint8_t *membranes,
               int8_t *letters) {
    fire_rows<int32_t, uint32_t, HARD>(f, n, currents, f.bias.get(), f.thresholds.get(), f.resets.get(), pitch, count,
                                       reinterpret_cast<int32_t *>(membranes), letters);
}

template <bool HARD, uint32_t>
void fire_narrow(const Fire &f, const sl_neuron &n, const int32_t *currents, uint32_t pitch, uint32_t count, uint8_t *membranes,
                 int8_t *letters) {
    fire_rows<int16_t, uint16_t, HARD>(f, n, currents, f.bias16.get(), f.below16.get(), f.resets16.get(), pitch, count,
                                       reinterpret_cast<int16_t *>(membranes), letters);
}
#endif

using FireKernel = decltype(Kernels::fire);
template <uint32_t L> FireKernel fire_with(const Fire &f, const sl_neuron &n) {
    if (MASKED && L < UNROLLED && n.levels > L) return fire_with<L < UNROLLED ? L + 1 : L>(f, n);
    constexpr uint32_t of = MASKED ? L : 0;
    if (n.bytes == 2) return f.hard ? fire_narrow<true, of> : fire_narrow<false, of>;
    return f.hard ? fire_wide<true, of> : fire_wide<false, of>;
}

void fire(const Fire &f, const sl_neuron &n, const int32_t *currents, uint32_t pitch, uint32_t count, uint8_t *membranes,
          int8_t *letters) {
    const FireKernel kernel = n.levels <= UNROLLED ? fire_with<1>(f, n) : nullptr;
    if (kernel != nullptr) return kernel(f, n, currents, pitch, count, membranes, letters);
    const auto any = n.bytes == 2 ? (f.hard ? fire_narrow<true, 0> : fire_narrow<false, 0>)
                                  : (f.hard ? fire_wide<true, 0> : fire_wide<false, 0>);
    any(f, n, currents, pitch, count, membranes, letters);
}

// N channels of a window at once.
template <class From, class To, bool LARGEST, uint32_t N>
inline void pool_group(const sl_window &w, const From *corner, To *target) {
    Vector<To, N> sums = __builtin_convertvector(at<From, N>(corner), Vector<To, N>);
    for (uint32_t ky = 0; ky < w.kernel[0]; ky++) {
        const From *tap = corner + size_t{ky} * w.tap_move[0];
        for (uint32_t kx = 0; kx < w.kernel[1]; kx++, tap += w.tap_move[1]) {
            if (ky == 0 && kx == 0) continue;
            const Vector<To, N> more = __builtin_convertvector(at<From, N>(tap), Vector<To, N>);
            sums = LARGEST ? (sums > more ? sums : more) : sums + more;
        }
    }
    at<To, N>(target) = sums;
}

template <class From, class To, bool LARGEST>
void pool_rows(const sl_window &w, uint32_t channels, const From *source, To *target) {
    constexpr uint32_t MANY = 32;
    for (uint32_t i = 0; i < w.outputs[0]; i++) {
        for (uint32_t j = 0; j < w.outputs[1]; j++) {
            const From *corner = source + size_t{i} * w.move[0] + size_t{j} * w.move[1];
            uint32_t c = 0;
            for (; c + MANY <= channels; c += MANY) pool_group<From, To, LARGEST, MANY>(w, corner + c, target + c);
            for (; c + 16 <= channels; c += 16) pool_group<From, To, LARGEST, 16>(w, corner + c, target + c);
            for (; c < channels; c++) pool_group<From, To, LARGEST, 1>(w, corner + c, target + c);
            target += channels;
        }
    }
}

// Sums are taken in the width of the result, which range analysis shows to hold them.
void pool(const sl_operation &op, const sl_window &w, const sl_wire &from, const sl_wire &to, const uint8_t *source,
          uint8_t *target) {
    const auto run = [&](auto like, auto like_target) {
        using From = decltype(like);
        using To = decltype(like_target);
        const auto *numbers = reinterpret_cast<const From *>(source);
        auto *results = reinterpret_cast<To *>(target);
        if (op.kind == SL_MAX_POOL) pool_rows<From, To, true>(w, from.channels, numbers, results);
        else pool_rows<From, To, false>(w, from.channels, numbers, results);
    };
    const auto by_target = [&](auto like) {
        if (to.bytes == 1) run(like, int8_t{});
        else if (to.bytes == 2) run(like, int16_t{});
        else run(like, int32_t{});
    };
    if (from.bytes == 1) by_target(int8_t{});
    else if (from.bytes == 2) by_target(int16_t{});
    else by_target(int32_t{});
}

}  // namespace

#define SHIFTLIF_JOIN_OF(name) name##_kernels
#define SHIFTLIF_JOIN(name) SHIFTLIF_JOIN_OF(name)
extern const Kernels SHIFTLIF_JOIN(SHIFTLIF_KERNELS) = {SHIFTLIF_PATH, LANES_OF, ELEMENT, SURPLUS, SUMS >= 16 ? 4u : 2u,
                                                           transpose, pack, dense, fire, pool};

}  // namespace shiftlif
