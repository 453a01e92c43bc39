/*
 * turns.h - things that wait for their turn, by whose they are: each of those who have some is served in his turn.
 *
 *     who: 1   thing, thing, thing, ...        taken: the first of 1, of 2, of 3, and again of 1
 *          2   thing
 *          3   thing, thing
 *
 * In one queue, whoever comes after a flood waits for all of it; here for one thing of each who waits. To put or take takes the same
 * time however many there are. Bounded: who puts one asks before if there is room.
 *
 * Threads: one.
 */
#ifndef FRESHET_RESOLVER_ANSWER_TURNS_H
#define FRESHET_RESOLVER_ANSWER_TURNS_H

#include <stddef.h>
#include <stdint.h>

struct turns;

/* A part of what waits; the owner's memory, in place until it is taken. */
struct turn {
    struct turn *next; /* private: of the same one */
};

/* Room for `size` things, a power of two up to 32768. NULL: no memory. */
struct turns *turns_new(size_t size);
/* Nothing may be left. NULL is fine. */
void turns_free(struct turns *turns);

/* How many wait, and how many more may. */
size_t turns_count(const struct turns *turns);
size_t turns_room(const struct turns *turns);

/* Behind what `who`, a number, has waiting already. There must be room. */
void turns_put(struct turns *turns, struct turn *turn, uint64_t who);

/* Whose turn it is: the first of his. NULL: nothing waits. */
struct turn *turns_take(struct turns *turns);

#endif
