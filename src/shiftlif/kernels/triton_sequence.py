"""The Triton functions behind `shiftlif.kernels.gpu`: one kernel for each direction (SPEC 2 and 3).

One program runs BLOCK neurons through all steps with the membrane in registers. Neurons come as ``groups`` of ``span``
side by side, each cut into ``blocks`` programs: one group for a whole layer, or one for every sample and channel where
channels have their own scales, so that a program has one scale. Channels too narrow for that share a program, and
each lane (neuron) has its own scale (PER_LANE).

Rounding: spikes have to be the reference's bit for bit, so each operation rounds where ``neuron/step.py`` rounds.
Triton's ``/`` is an approximate division, hence ``tl.div_rn``; and a product followed by a sum becomes one fma, hence
``enable_fp_fusion=False`` at every launch (see `shiftlif.kernels.gpu`).

NEURON is a `shiftlif.kernels.mechanism.Mechanism` known at compile time. A long letter table is passed as ``table``
``[2, SIZE]`` instead (boundaries padded with infinity, levels padded with the top letter), SIZE a power of two.
"""

import triton
import triton.language as tl


# Only builtins of `triton.language` are used, not what it writes in itself (`tl.sum`, `tl.zeros`): those are bound to
# the compiler when triton is imported, and the tests interpret these kernels in a process that also compiles them.
@triton.jit
def _add(a, b):
    return a + b


@triton.jit
def _address(rows, t, stride, j):
    """Row t of rows that may lie more than 2^31 elements apart."""
    return rows + tl.cast(t, tl.int64) * stride + j


@triton.jit
def _neurons(span, blocks, BLOCK: tl.constexpr):
    """(group, j [BLOCK]: which neurons of the layer, int64; inside [BLOCK]: whether they exist)."""
    program = tl.program_id(0)
    group = program // blocks
    offset = tl.cast(program % blocks, tl.int64) * BLOCK + tl.arange(0, BLOCK)
    return group, tl.cast(group, tl.int64) * span + offset, offset < span


@triton.jit
def _load_scale(scale, group, inside, channels, channel_size, PER_LANE: tl.constexpr, BLOCK: tl.constexpr):
    """The program's scale: one value, or ``[BLOCK]``."""
    if PER_LANE:
        # Only the first neuron's channel needs a 64 bit division; a lane's is that of a small offset from it.
        first = tl.cast(tl.program_id(0), tl.int64) * BLOCK
        channel = tl.cast(first // channel_size % channels, tl.int32)
        ahead = (tl.cast(first % channel_size, tl.int32) + tl.arange(0, BLOCK)) // channel_size
        s = tl.load(scale + (channel + ahead) % channels, mask=inside, other=1.0)
    else:
        s = tl.load(scale + group % channels)
    return s


@triton.jit
def _first_membrane(initial, j, inside, BLOCK: tl.constexpr):
    v = tl.full((BLOCK,), 0.0, tl.float32)
    if initial is not None:
        v = tl.load(initial + j, mask=inside, other=0.0)
    return v


@triton.jit
def _integrate(x, v, decay, NEURON: tl.constexpr):
    if NEURON.decay_input:
        h = v + (x - v) * decay
    else:
        h = v - v * decay + x
    return h


@triton.jit
def _letter(u, table, NEURON: tl.constexpr, SIZE: tl.constexpr):
    """Q(u). ``u < b`` keeps the lower letter and anything else, NaN included, goes up, as in the reference."""
    if SIZE == 0:
        q = tl.full(u.shape, NEURON.levels[0], tl.float32)
        for i in tl.static_range(len(NEURON.boundaries)):
            q = tl.where(u < NEURON.boundaries[i], q, NEURON.levels[i + 1])
    else:
        # Bisection: a compare for every bit of the index, because a long chain of compares is slower than memory.
        index = tl.full(u.shape, 0, tl.int32)
        for bit in tl.static_range(1, 9):
            if SIZE >> bit > 0:
                probe = tl.load(table + index + ((SIZE >> bit) - 1))
                index = tl.where(u < probe, index, index + (SIZE >> bit))
        q = tl.load(table + SIZE + index)
    return q


@triton.jit
def _reset(h, q, scale, NEURON: tl.constexpr):
    """V after the step."""
    if NEURON.hard_reset:
        v = h * tl.where(q == NEURON.levels[0], 1.0, 0.0)
    else:
        v = h - q * scale
    return v


@triton.jit
def _load_rows(rows, first, stride, j, inside, frame, COUNT: tl.constexpr):
    """Rows first ... first + COUNT - 1 as float32: all loads in flight before the first is needed."""
    found = ()
    for k in tl.static_range(COUNT):
        if frame is None:
            row = tl.load(_address(rows, first + k, stride, j), mask=inside, other=0.0).to(tl.float32)
        else:
            row = frame
        found = found + (row,)
    return found


@triton.jit
def _load_frame(currents, j, inside, CONSTANT: tl.constexpr):
    """The one row of a constant current, else None."""
    if CONSTANT:
        frame = tl.load(currents + j, mask=inside, other=0.0).to(tl.float32)
    else:
        frame = None
    return frame


@triton.jit
def _run_rows(
    v, currents, frame, first, stride, neurons, j, inside, scale, decay, table, spikes, membranes,
    NEURON: tl.constexpr, SIZE: tl.constexpr, COUNT: tl.constexpr,
):  # fmt: skip
    """V after COUNT steps from step ``first``; writes what has a place to be written to."""
    xs = _load_rows(currents, first, stride, j, inside, frame, COUNT)
    for k in tl.static_range(COUNT):
        h = _integrate(xs[k], v, decay, NEURON)
        q = _letter(tl.div_rn(h, scale), table, NEURON, SIZE)
        v = _reset(h, q, scale, NEURON)
        if spikes is not None:
            emitted = (q * scale).to(spikes.dtype.element_ty)
            tl.store(_address(spikes, first + k, neurons, j), emitted, mask=inside)
        if membranes is not None:
            tl.store(_address(membranes, first + k, neurons, j), v, mask=inside)
    return v


@triton.jit
def _run(
    v, currents, frame, first, stride, neurons, j, inside, scale, decay, table, spikes, membranes,
    NEURON: tl.constexpr, SIZE: tl.constexpr, COUNT: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """`_run_rows` for any number of steps, GROUP at a time."""
    WHOLE: tl.constexpr = COUNT // GROUP
    if WHOLE > 0:
        for c in range(WHOLE):
            v = _run_rows(
                v, currents, frame, first + c * GROUP, stride, neurons, j, inside, scale, decay, table, spikes,
                membranes, NEURON, SIZE, GROUP,
            )  # fmt: skip
    return _run_rows(
        v, currents, frame, first + WHOLE * GROUP, stride, neurons, j, inside, scale, decay, table, spikes,
        membranes, NEURON, SIZE, COUNT - WHOLE * GROUP,
    )  # fmt: skip


@triton.jit
def forward_kernel(
    currents, stride, initial, scale, decay, table, spikes, last, membranes,
    neurons, span, blocks, channels, channel_size,
    NEURON: tl.constexpr, SIZE: tl.constexpr, STEPS: tl.constexpr, CONSTANT: tl.constexpr,
    PER_LANE: tl.constexpr, BLOCK: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """Spikes ``[STEPS, neurons]``; V after the last and after each step, where ``last`` and ``membranes`` are given.

    ``currents`` has rows ``stride`` elements apart, or one row (CONSTANT); GROUP rows are loaded at a time.
    """
    group, j, inside = _neurons(span, blocks, BLOCK)
    s = _load_scale(scale, group, inside, channels, channel_size, PER_LANE, BLOCK)
    leak = tl.load(decay)
    v = _first_membrane(initial, j, inside, BLOCK)
    frame = _load_frame(currents, j, inside, CONSTANT)
    v = _run(
        v, currents, frame, 0, stride, neurons, j, inside, s, leak, table, spikes, membranes,
        NEURON, SIZE, STEPS, GROUP,
    )  # fmt: skip
    if last is not None:
        tl.store(last + j, v, mask=inside)


@triton.jit
def _bump(d, NEURON: tl.constexpr):
    """The bump of `shiftlif.surrogate` at distance d from a boundary, for the surrogates that put one there."""
    if NEURON.surrogate == "atan":
        z = d * (3.141592653589793 * NEURON.alpha / 2)
        bump = (NEURON.alpha / 2) / (1.0 + z * z)
    elif NEURON.surrogate == "triangle":
        height = 1.0 - NEURON.alpha * tl.abs(d)
        bump = NEURON.alpha * tl.maximum(height, 0.0, propagate_nan=tl.PropagateNan.ALL)
    else:
        z = 1.0 + NEURON.alpha * tl.abs(d)
        bump = 1.0 / (z * z)
    return bump


@triton.jit
def _pseudo_derivative(u, table, NEURON: tl.constexpr, SIZE: tl.constexpr):
    """g(u) of `shiftlif.surrogate`; what goes through the letters is unrolled where the table is short."""
    low: tl.constexpr = NEURON.levels[0]
    high: tl.constexpr = NEURON.levels[len(NEURON.levels) - 1]
    if NEURON.surrogate == "relsget":
        outside = tl.maximum(low - u, u - high, propagate_nan=tl.PropagateNan.ALL)
        g = tl.exp(-NEURON.alpha * tl.maximum(outside, 0.0, propagate_nan=tl.PropagateNan.ALL))
    elif NEURON.surrogate == "rectangle":
        g = tl.where((u >= low) & (u <= high), 1.0, 0.0)
    elif NEURON.surrogate == "relsget_periodic":
        distance = tl.abs(u - low)
        if SIZE == 0:
            for i in tl.static_range(1, len(NEURON.levels)):
                distance = tl.minimum(
                    distance, tl.abs(u - NEURON.levels[i]), propagate_nan=tl.PropagateNan.ALL
                )
        else:
            for i in range(1, len(NEURON.levels)):
                distance = tl.minimum(
                    distance, tl.abs(u - tl.load(table + SIZE + i)), propagate_nan=tl.PropagateNan.ALL
                )
        g = NEURON.alpha * tl.exp(-NEURON.alpha * distance)
    else:
        g = tl.full(u.shape, 0.0, tl.float32)
        if SIZE == 0:
            for i in tl.static_range(len(NEURON.boundaries)):
                jump = NEURON.levels[i + 1] - NEURON.levels[i]
                g += jump * _bump(u - NEURON.boundaries[i], NEURON)
        else:
            for i in range(len(NEURON.boundaries)):
                jump = tl.load(table + SIZE + i + 1) - tl.load(table + SIZE + i)
                g += jump * _bump(u - tl.load(table + i), NEURON)
    return g


@triton.jit
def _walk_back(
    v, state, currents, frame, first, stride, neurons, j, inside, scale, decay, table, factor,
    grad_spikes, grad_spikes_stride, grad_membranes, grad_membranes_stride, grad_currents,
    NEURON: tl.constexpr, SIZE: tl.constexpr, COUNT: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """Steps first ... first + COUNT - 1: forward from V, keeping in registers what the chain rule reads, then back.

    That is, for each step: u and Q; g = dS/dH; Q - u g = dS/ds; and I - V or -V, which is dH / d decay.

    ``state`` holds the gradient of V after the last of the steps and the sums over steps for constant currents, scale
    and decay; returned for the steps before. What a configuration does not read is never kept: it is dead code.
    """
    xs = _load_rows(currents, first, stride, j, inside, frame, COUNT)
    us, qs, gs, by_scale, by_decay = (), (), (), (), ()
    for k in tl.static_range(COUNT):
        h = _integrate(xs[k], v, decay, NEURON)
        u = tl.div_rn(h, scale)
        q = _letter(u, table, NEURON, SIZE)
        g = _pseudo_derivative(u, table, NEURON, SIZE)
        us, qs, gs, by_scale = us + (u,), qs + (q,), gs + (g,), by_scale + (q - u * g,)
        if NEURON.decay_input:
            by_decay = by_decay + (xs[k] - v,)
        else:
            by_decay = by_decay + (-v,)
        v = _reset(h, q, scale, NEURON)
    grad_v, frame_sum, scale_sum, decay_sum = state
    # Rows of gradients are asked for GROUP steps before their use; a load does not pass a store that may alias it.
    ahead = ()
    for k in tl.static_range(GROUP):
        if grad_spikes is not None and k < COUNT:
            address = _address(grad_spikes, first + (COUNT - 1 - k), grad_spikes_stride, j)
            ahead = ahead + (tl.load(address, mask=inside, other=0.0),)
    for k in tl.static_range(COUNT - 1, -1, -1):
        if grad_membranes is not None:
            address = _address(grad_membranes, first + k, grad_membranes_stride, j)
            grad_v += tl.load(address, mask=inside, other=0.0)
        grad_s = tl.full(grad_v.shape, 0.0, tl.float32)
        if grad_spikes is not None:
            grad_s = ahead[COUNT - 1 - k].to(tl.float32)
            if k >= GROUP:
                address = _address(grad_spikes, first + (k - GROUP), grad_spikes_stride, j)
                ahead = ahead + (tl.load(address, mask=inside, other=0.0),)
        kept = grad_v
        if NEURON.hard_reset:
            kept = grad_v * tl.where(qs[k] == NEURON.levels[0], 1.0, 0.0)
            scale_sum += grad_v * us[k] * qs[k]
            if not NEURON.detach_reset:
                grad_s -= grad_v * us[k]
        elif not NEURON.detach_reset:
            grad_s -= grad_v
        scale_sum += factor * (grad_s * by_scale[k])
        grad_h = grad_s * gs[k] + kept
        decay_sum += grad_h * by_decay[k]
        leaked = grad_h * decay
        grad_x = leaked if NEURON.decay_input else grad_h
        grad_v = grad_h - leaked
        if frame is not None:
            frame_sum += grad_x
        elif grad_currents is not None:
            grad_x = grad_x.to(grad_currents.dtype.element_ty)
            tl.store(_address(grad_currents, first + k, neurons, j), grad_x, mask=inside)
    return grad_v, frame_sum, scale_sum, decay_sum


@triton.jit
def backward_kernel(
    currents, stride, initial, scale, decay, table, factor,
    grad_spikes, grad_spikes_stride, grad_last, grad_membranes, grad_membranes_stride,
    grad_currents, grad_initial, scale_sums, decay_sums, scratch,
    neurons, span, blocks, channels, channel_size,
    NEURON: tl.constexpr, SIZE: tl.constexpr, STEPS: tl.constexpr, CONSTANT: tl.constexpr,
    PER_LANE: tl.constexpr, BLOCK: tl.constexpr, CHUNK: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """Gradients of what `forward_kernel` wrote; None stands for a zero gradient and for one that is not wanted.

    ``scale_sums`` gets a number of each program, or of each neuron (PER_LANE), ``decay_sums`` one of each program: they
    are added up afterwards in a fixed order. V is computed again; ``scratch [chunks, neurons]`` keeps it at
    the start of every chunk of CHUNK steps, where there is more than one.
    """
    group, j, inside = _neurons(span, blocks, BLOCK)
    s = _load_scale(scale, group, inside, channels, channel_size, PER_LANE, BLOCK)
    leak = tl.load(decay)
    v = _first_membrane(initial, j, inside, BLOCK)
    frame = _load_frame(currents, j, inside, CONSTANT)
    LAST: tl.constexpr = (STEPS - 1) // CHUNK
    REST: tl.constexpr = STEPS - LAST * CHUNK
    if LAST > 0:
        for c in range(LAST):
            tl.store(_address(scratch, c, neurons, j), v, mask=inside)
            v = _run(
                v, currents, frame, c * CHUNK, stride, neurons, j, inside, s, leak, table, None, None,
                NEURON, SIZE, CHUNK, GROUP,
            )  # fmt: skip
    zero = tl.full((BLOCK,), 0.0, tl.float32)
    state = (zero, zero, zero, zero)
    if grad_last is not None:
        state = (tl.load(grad_last + j, mask=inside, other=0.0), zero, zero, zero)
    # The last chunk is walked in the loop below if it has the length of the others: one copy of the code, not two.
    if LAST == 0 or REST < CHUNK:
        state = _walk_back(
            v, state, currents, frame, LAST * CHUNK, stride, neurons, j, inside, s, leak, table, factor,
            grad_spikes, grad_spikes_stride, grad_membranes, grad_membranes_stride, grad_currents,
            NEURON, SIZE, REST, GROUP,
        )  # fmt: skip
    if LAST > 0:
        if REST == CHUNK:
            tl.store(_address(scratch, LAST, neurons, j), v, mask=inside)
        tl.debug_barrier()  # what a thread stored in scratch, another may load
        for c in range(LAST + 1 if REST == CHUNK else LAST):
            chunk = (LAST if REST == CHUNK else LAST - 1) - c
            v = tl.load(_address(scratch, chunk, neurons, j), mask=inside, other=0.0)
            state = _walk_back(
                v, state, currents, frame, chunk * CHUNK, stride, neurons, j, inside, s, leak, table, factor,
                grad_spikes, grad_spikes_stride, grad_membranes, grad_membranes_stride, grad_currents,
                NEURON, SIZE, CHUNK, GROUP,
            )  # fmt: skip
    grad_v, frame_sum, scale_sum, decay_sum = state
    if CONSTANT and grad_currents is not None:
        tl.store(grad_currents + j, frame_sum.to(grad_currents.dtype.element_ty), mask=inside)
    if grad_initial is not None:
        tl.store(grad_initial + j, grad_v, mask=inside)
    if scale_sums is not None:
        if PER_LANE:
            tl.store(scale_sums + j, scale_sum, mask=inside)
        else:
            tl.store(scale_sums + tl.program_id(0), tl.reduce(scale_sum, 0, _add))
    if decay_sums is not None:
        tl.store(decay_sums + tl.program_id(0), tl.reduce(decay_sum, 0, _add))
