// Rows of a tile: where they lie in memory, and the scratch they pass through when they cannot be used in place.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "ahead.hpp"
#include "problem.hpp"
#include "rows.hpp"
#include "tiles.hpp"

namespace shiftlif {
namespace SHIFTLIF_ISA {

// Consecutive rows of floats from one block of memory, a few hundred kilobytes, that a thread keeps between calls.
// No std::vector: its functions would be compiled for this file's instruction set, and the linker keeps one copy of
// them for all files.
class Scratch {
public:
    explicit Scratch(std::int64_t rows) {
        static thread_local Block block;
        next_ = block.at_least(static_cast<std::size_t>(rows * kTile) * sizeof(float));
    }
    float* take(std::int64_t rows = 1) {
        float* const row = next_;
        next_ += rows * kTile;
        return row;
    }

private:
    struct Block {
        void* memory = nullptr;
        std::size_t size = 0;
        ~Block() { std::free(memory); }
        float* at_least(std::size_t bytes) {
            if (bytes + 64 > size) {
                std::free(memory);
                size = bytes + 64;
                memory = std::malloc(size);
                if (memory == nullptr) std::abort();  // in a worker thread there is nobody to tell
            }
            const auto address = reinterpret_cast<std::uintptr_t>(memory);
            return reinterpret_cast<float*>((address + 63) & ~std::uintptr_t{63});
        }
    };
    float* next_;
};

// The neurons of a tile; only the last tile of an array may have fewer than kTile.
struct Lanes {
    std::int64_t from, width;
    bool whole() const { return width == kTile; }
};

inline void copy_row(float* target, const float* source, std::int64_t width) {
    std::memcpy(target, source, static_cast<std::size_t>(width) * sizeof(float));
}

// A row of kTile floats: `source` where it is present, and zero.
inline void start_row(float* row, const float* source, Lanes lanes) {
    if (source == nullptr || !lanes.whole()) std::fill(row, row + kTile, 0.0f);
    if (source != nullptr) copy_row(row, source + lanes.from, lanes.width);
}

inline std::uint16_t to_bfloat16(float value) {  // round to nearest, ties to even; NaN stays NaN
    std::uint32_t bits;
    std::memcpy(&bits, &value, 4);
    const std::uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
    return static_cast<std::uint16_t>(value != value ? 0x7FC0u : rounded);
}

// An array [T, N] as tiles see it: where it lies if it is float32 and the tile is whole, else through scratch rows.
struct Array {
    Rows rows;
    Element element;
    std::int64_t steps;

    bool absent() const { return rows.data == nullptr; }
    std::int64_t distinct() const { return rows.stride == 0 ? 1 : steps; }
    bool in_place(Lanes lanes) const { return element == Element::float32 && lanes.whole(); }

    TileRows<const float> read(Lanes lanes, float* scratch) const {
        if (in_place(lanes)) return {floats(0, lanes), rows.stride};
        for (std::int64_t t = 0; t < distinct(); ++t) {
            float* const row = scratch + t * kTile;
            std::fill(row, row + kTile, 0.0f);
            if (element == Element::float32) {
                copy_row(row, floats(t, lanes), lanes.width);
            } else {
                const std::uint16_t* const from = halves(t, lanes);
                for (std::int64_t j = 0; j < lanes.width; ++j) {
                    const std::uint32_t bits = static_cast<std::uint32_t>(from[j]) << 16;
                    std::memcpy(row + j, &bits, 4);
                }
            }
        }
        return {scratch, rows.stride == 0 ? 0 : kTile};
    }

    // Where a tile is computed; `finish` moves it from there when that is scratch.
    TileRows<float> target(Lanes lanes, float* scratch) const {
        return in_place(lanes) ? TileRows<float>{floats(0, lanes), rows.stride} : TileRows<float>{scratch, kTile};
    }
    void finish(Lanes lanes, const float* scratch) const {
        if (!in_place(lanes)) store_rows(lanes, scratch);
    }
    void store_rows(Lanes lanes, const float* scratch) const {
        for (std::int64_t t = 0; t < distinct(); ++t) {
            const float* const row = scratch + t * kTile;
            if (element == Element::float32) {
                copy_row(floats(t, lanes), row, lanes.width);
            } else {
                std::uint16_t* const to = halves(t, lanes);
                for (std::int64_t j = 0; j < lanes.width; ++j) to[j] = to_bfloat16(row[j]);
            }
        }
    }

    std::int64_t lane_bytes() const { return element == Element::float32 ? 4 : 2; }
    // The way through this array beside that through `written`, which may be absent; backwards in time if asked.
    Walk walk(std::int64_t begin, const Array* written = nullptr, bool backwards = false) const {
        const std::int64_t first = backwards ? steps - 1 : 0, sign = backwards ? -1 : 1;
        Walk w;
        w.write = w.read = address(first, begin);
        w.write_step = w.read_step = sign * rows.stride * lane_bytes();
        if (written != nullptr) {
            w.write = written->address(first, begin);
            w.write_step = sign * written->rows.stride * written->lane_bytes();
        }
        return w;
    }

private:
    float* floats(std::int64_t t, Lanes lanes) const {
        return static_cast<float*>(rows.data) + t * rows.stride + lanes.from;
    }
    std::uint16_t* halves(std::int64_t t, Lanes lanes) const {
        return static_cast<std::uint16_t*>(rows.data) + t * rows.stride + lanes.from;
    }
    std::uintptr_t address(std::int64_t t, std::int64_t lane) const {
        return reinterpret_cast<std::uintptr_t>(rows.data) +
               static_cast<std::uintptr_t>((t * rows.stride + lane) * lane_bytes());
    }
};

}  // namespace SHIFTLIF_ISA
}  // namespace shiftlif
