
sl_status ${name}_step_events(${name}_state *state, ${name}_arena *arena, const sl_event *events, size_t count) {
    return sl_step_events(&${name}_program, state, arena, events, count);
}
