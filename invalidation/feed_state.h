/*
 * feed_state.h - the states of the feed, and room for why it is in one of them.
 */
#ifndef FRESHET_INVALIDATION_FEED_STATE_H
#define FRESHET_INVALIDATION_FEED_STATE_H

enum feed_state { FEED_COLD, FEED_CATCHUP, FEED_LIVE, FEED_LOST };
const char *feed_state_text(enum feed_state state); /* "cold", "catchup", "live", "lost" */

enum { FEED_MAX_ERROR = 512 };

#endif
