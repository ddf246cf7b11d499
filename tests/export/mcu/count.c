/* Instructions of the self-test's inferences: under QEMU's -icount shift=0 a tick of SysTick at 25 MHz is 40 of them.
 * The command line names the exported program: MODEL_HEADER, PREFIX(x) and SIZE, the numbers of one inference. */
#include MODEL_HEADER

#include <stdio.h>

#define SYSTICK_CONTROL (*(volatile uint32_t *)0xE000E010u)
#define SYSTICK_RELOAD (*(volatile uint32_t *)0xE000E014u)
#define SYSTICK_VALUE (*(volatile uint32_t *)0xE000E018u)

static PREFIX(state) state;
static PREFIX(arena) arena;

int main(void) {
    uint32_t sample;
    for (sample = 0; sample < PREFIX(self_test_samples); sample++) {
        uint32_t before, after;
        PREFIX(reset)(&state);
        SYSTICK_RELOAD = 0xFFFFFFu;
        SYSTICK_VALUE = 0;
        SYSTICK_CONTROL = 5;
        before = SYSTICK_VALUE;
        if (PREFIX(infer)(&state, &arena, PREFIX(self_test_frames) + sample * SIZE) != SL_OK) {
            return 1;
        }
        after = SYSTICK_VALUE;
        printf("%lu\n", (unsigned long)(((before - after) & 0xFFFFFFu) * 40u));
    }
    return 0;
}
