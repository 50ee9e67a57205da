/* A program on a Cortex-M without an operating system: vectors, start, and main's result by semihosting. */
#include <stdint.h>

extern uint32_t stack_top, bss_start, bss_end;
int main(void);

static void leave(int code)
{
    const uint32_t why[2] = {0x20026u, (uint32_t)code}; /* the application ends, with this code */
    register int what __asm__("r0") = 0x20;
    register const void *with __asm__("r1") = why;
    __asm__ volatile("bkpt 0xab" : "+r"(what) : "r"(with) : "memory");
    for (;;) { }
}

static void start(void)
{
    uint32_t *p;
    for (p = &bss_start; p < &bss_end; p++) *p = 0;
#ifdef __ARM_FP
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* the floating point unit is off at first */
    __asm__ volatile("dsb\n isb");
#endif
    leave(main());
}

static void fault(void)
{
    leave(70);
}

__attribute__((section(".vectors"), used)) static void (*const vectors[])(void) = {
    (void (*)(void))&stack_top, start, fault, fault, fault, fault, fault};
