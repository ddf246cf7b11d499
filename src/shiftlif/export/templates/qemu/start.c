/* The least that runs the self-test under QEMU: vectors, data, C library with semihosting, and the exit code of main. */
#include <stdint.h>
#include <stdlib.h>

extern uint32_t __data_start, __data_end, __data_load, __bss_start__, __bss_end__, __stack;
extern void initialise_monitor_handles(void);
extern int main(void);
void Reset_Handler(void);

/* Ends QEMU with exit code 1: semihosting's SYS_EXIT with "run-time error, unknown". */
static void stop(void) {
    for (;;) {
        __asm__ volatile("mov r0, %0\n\tmov r1, %1\n\tbkpt 0xAB" : : "r"(0x18u), "r"(0x20023u) : "r0", "r1", "memory");
    }
}

void _init(void) {}
void _fini(void) {}

/* Stack, reset and the faults, which stop. */
__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    &__stack, (void *)Reset_Handler, (void *)stop, (void *)stop, (void *)stop, (void *)stop, (void *)stop, 0,
    0,        0,                     0,            (void *)stop, (void *)stop, 0,            (void *)stop, (void *)stop};

void Reset_Handler(void) {
    uint32_t *from = &__data_load, *to;
#if defined(__ARM_FEATURE_MVE)
    *(volatile uint32_t *)0xE000ED88u = 0xFu << 20; /* CPACR: the coprocessors that hold the vectors */
    __asm__ volatile("dsb\n\tisb" : : : "memory");
#endif
    for (to = &__data_start; to != &__data_end; to++) {
        *to = *from++;
    }
    for (to = &__bss_start__; to != &__bss_end__; to++) {
        *to = 0;
    }
    initialise_monitor_handles();
    exit(main());
}
