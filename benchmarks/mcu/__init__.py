"""Exported programs on microcontroller cores beside a dense int8 network of the same shape.

    python -m benchmarks.mcu [--quick] [--only SHAPE ...] [--render]

takes the networks of `benchmarks.trained`, exports them as C, counts the instructions that QEMU executes on Cortex-M4
and M55, compares every letter and membrane on Cortex-M0, M4 and M55 and on this machine, and keeps results/mcu.json
and results/mcu.md. Counts are instructions: neither cycles nor joules.
"""
