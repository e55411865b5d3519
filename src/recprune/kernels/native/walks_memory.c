/* Where walks end that lead from a history over users to items, or over entries to items. */
#include "walks.h"

INLINE void lead(Room *room, int32_t item, float by)
{
    room->near[item] += by;
    room->touched[(uint32_t)item / LANES] = 1;
}

#define ROUNDING 1e-5f /* of what is taken off: less than that is left by float32, and is no walk */

/* Where walks end; what comes back to where it began is taken off. */
void walks_end(const Walks *t, Room *room, const int32_t *history, size_t length)
{
    const Lists *had = &t->had, *by = &t->by;
    size_t reached = 0;
    for (size_t i = 0; i < length; i++) {
        size_t begin = had->starts[history[i]], end = had->starts[history[i] + 1];
        float part = begin < end ? 1 / (float)(end - begin) : 0;
        for (size_t at = begin; at < end; at++) {
            if (!by->starts) {
                lead(room, had->at[at], had->values ? had->values[at] : 1);
                continue;
            }
            int32_t user = had->at[at];
            if (room->reached[user] == 0)
                room->who[reached++] = user;
            room->reached[user] += part;
        }
    }
    if (!by->starts)
        return;
    for (size_t i = 0; i < reached; i++) {
        int32_t user = room->who[i];
        size_t begin = by->starts[user], end = by->starts[user + 1];
        float part = room->reached[user] / (float)(end - begin);
        room->reached[user] = 0;
        for (size_t at = begin; at < end; at++)
            lead(room, by->at[at], part);
    }
    for (size_t i = 0; i < length; i++) {
        int32_t item = history[i];
        float left = room->near[item] - t->comes[item];
        room->near[item] = left > t->comes[item] * ROUNDING ? left : 0;
    }
}

/* The sum of all that is near. */
double walks_near(const Walks *t, const Room *room)
{
    double all = 0;
    for (size_t block = 0; block < padded(t) / LANES; block++)
        if (room->touched[block])
            for (size_t i = 0; i < LANES; i++)
                all += (double)room->near[block * LANES + i];
    return all;
}
