/* Windows that overlap along a row see the same columns. A column's events are sorted into the lists once; a window starts
 * at the mark of its first column and ends with its last one. When a list might overflow, a new run of windows begins. */
#include "internal.h"

#include <string.h>

/* Sorts the values of the next column, kernel[0] rows of it, into the lists. */
static void column(sl_slide *slide) {
    const sl_synapse *s = slide->synapse;
    const uint32_t lists = sl_lists(s);
    memcpy(slide->next, slide->events.ends, lists << 1);
    slide->next += lists;
    if (slide->next == slide->marks_end) {
        slide->next = slide->marks;
    }
    if (slide->column_x >= 0 && (uint32_t)slide->column_x < s->extent[1]) {
        uint32_t offset = slide->offset, left;
        int32_t y = slide->y, at = slide->column_at;
        for (left = s->kernel[0]; left != 0u; left--) {
            if (y >= 0 && (uint32_t)y < s->extent[0]) {
                (void)sl_events_scan(s, &slide->events, slide->source + ((uint32_t)at << (slide->bytes >> 1)), slide->bytes,
                                     s->in, (uint16_t)offset);
            }
            y += (int32_t)s->dilation[0];
            at += (int32_t)s->tap_move[0];
            offset += s->line_step;
            SL_OPAQUE(offset);
        }
    }
    slide->offset += s->tap_step;
    slide->column_x++;
    slide->column_at += (int32_t)slide->channels;
}

void sl_slide_row(sl_slide *slide, int32_t y, int32_t x, int32_t at) {
    slide->y = y;
    slide->x = x;
    slide->at = at;
    slide->left = 0;
}

void sl_slide_window(sl_slide *slide, sl_int32 *sums) {
    const sl_synapse *s = slide->synapse;
    uint32_t columns = s->stride[1];
    if (slide->left != 0u && slide->free < s->fresh) {
        slide->free = sl_events_room(s, &slide->events);
        slide->left = slide->free < s->fresh ? 0u : slide->left;
    }
    if (slide->left == 0u) {
        sl_events_clear(s, &slide->events);
        slide->free = (uint32_t)s->room - s->chunk;
        slide->left = s->slides;
        slide->next = slide->marks;
        slide->events.starts = slide->marks;
        slide->back = 0;
        slide->offset = 0;
        slide->column_x = slide->x;
        slide->column_at = slide->at;
        columns = s->kernel[1];
    } else {
        const uint32_t lists = sl_lists(s);
        uint32_t i;
        slide->free -= s->fresh;
        for (i = columns; i != 0u; i--) {
            slide->events.starts += lists;
            if (slide->events.starts == slide->marks_end) {
                slide->events.starts = slide->marks;
            }
            slide->back += s->tap_step;
            SL_OPAQUE(slide->back);
        }
    }
    for (; columns != 0u; columns--) {
        column(slide);
    }
    slide->left--;
    slide->x += (int32_t)s->stride[1];
    slide->at += (int32_t)s->move[1];
    /* As a number: the first column's rows lie before the window's, and no pointer may. */
    sl_gather(s, &slide->events, (const int8_t *)((uintptr_t)s->rows - ((uintptr_t)slide->back << sl_row_shift(s))), sums, 1);
}
