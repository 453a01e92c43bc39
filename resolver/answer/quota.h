/*
 * quota.h - who holds how much of a bounded table, and the oldest thing of whoever holds most.
 *
 *     by count   1: holder, holder     each thing in the table is charged to one holder, which is a number: a client's
 *                2:                    network, a zone, an upstream
 *     most --> 812: holder --> oldest thing, ..., newest
 *
 * While a table has room nobody is refused anything. When it is full the biggest holder makes room: so whoever floods
 * it displaces what he sent before, and others notice nothing. All of it takes the same time however many holders there are.
 *
 * Threads: one.
 */
#ifndef FRESHET_RESOLVER_ANSWER_QUOTA_H
#define FRESHET_RESOLVER_ANSWER_QUOTA_H

#include <stddef.h>
#include <stdint.h>

struct quota;
struct quota_holder;

/* A part of what is in the table; the owner's memory, in place while it is charged. Zero-initialise. */
struct quota_item {
    struct quota_item *prev, *next; /* private: of the same holder, oldest first */
    struct quota_holder *holder;    /* NULL: nobody is charged */
};

/* For a table of `size` things. NULL: no memory. */
struct quota *quota_new(size_t size);
/* Nobody may be charged any more. NULL is fine. */
void quota_free(struct quota *quota);

/* Charges the item to the holder `who`. Without memory it is nobody's. */
void quota_charge(struct quota *quota, struct quota_item *item, uint64_t who);

/* Nothing happens when nobody is charged. */
void quota_release(struct quota *quota, struct quota_item *item);

/* Who is charged with an item, which somebody is, and how much he has. */
uint64_t quota_who(const struct quota_item *item);
size_t quota_shares(const struct quota_item *item);
/* How much a holder has. */
size_t quota_held(const struct quota *quota, uint64_t who);

/* How much the biggest holder has; 0: there is none. */
size_t quota_most(const struct quota *quota);

/* The oldest of it; NULL: nothing. */
struct quota_item *quota_oldest(const struct quota *quota);

/*
 * Several quotas of one table tell apart by other things, the first of them the finest. Which of them is to make room:
 * the first whose biggest holder has a quarter, at least, of what the biggest of all has. A number below `count`.
 */
size_t quota_blame(struct quota *const *quotas, size_t count);

#endif
