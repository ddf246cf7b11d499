/* Counts the instructions of inferences: under QEMU's -icount the system tick advances with instructions. Prints ticks of
 * two loops of known length, then of every sample, with the sums of its classes. */
#include <stdint.h>
#include <stdio.h>

#include "contender.h" /* SAMPLES, CLASSES, FRAME; reset, infer, frames, scores of what is measured */

#define CONTROL (*(volatile uint32_t *)0xE000E010u)
#define RELOAD (*(volatile uint32_t *)0xE000E014u)
#define NOW (*(volatile uint32_t *)0xE000E018u)
#define WRAPPED (1u << 16)

static uint32_t start, late;

static void begin(void) {
    NOW = 0; /* loads the largest value and clears the mark of a wrap */
    start = NOW;
    (void)CONTROL;
}

static uint32_t end(void) {
    const uint32_t ticks = (start - NOW) & 0xFFFFFFu;
    late |= CONTROL & WRAPPED;
    return ticks;
}

/* 2 n instructions and a few. */
static uint32_t loop(uint32_t n) {
    begin();
    __asm__ volatile("1: subs %0, %0, #1\n\tbne 1b" : "+r"(n) : : "cc");
    return end();
}

int main(void) {
    uint32_t sample, c;
    RELOAD = 0xFFFFFFu;
    CONTROL = 5u;
    printf("loops %lu %lu\n", (unsigned long)loop(10000u), (unsigned long)loop(110000u));
    for (sample = 0; sample < SAMPLES; sample++) {
        const int32_t *sums;
        uint32_t ticks;
        begin();
        sums = contender_infer(contender_frames + (size_t)sample * FRAME);
        ticks = end();
        printf("sample %lu", (unsigned long)ticks);
        for (c = 0; c < CLASSES; c++) {
            printf(" %ld", (long)sums[c]);
        }
        printf("\n");
    }
    return late != 0u ? 3 : 0;
}
