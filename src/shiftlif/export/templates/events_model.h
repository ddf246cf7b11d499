
/* One step with its events in place of the frame that counts them: places c * positions + p of the frame, in any order;
 * counts of one place are added up to the limit. SL_E_EVENT: one lies outside the frame or counts more than the limit;
 * nothing was executed. */
#define ${NAME}_LIMIT ${limit}u
sl_status ${name}_step_events(${name}_state *state, ${name}_arena *arena, const sl_event *events, size_t count);
