/*
 * commands.h - what an operator asks and orders through the control socket (daemon/control.h).
 *
 *     {"cmd":"status"}                                            -> {"ok":true, ...}
 *     {"cmd":"lookup","name":"www.example.com.","type":"A"}       -> {"ok":true,"tiers":[...]}
 *     {"cmd":"drained_by","name":"www.example.com."}              -> {"ok":true,"tiers":[...]}, see status.h
 *     {"cmd":"applied","after":41}                                -> {"ok":true,"first":42,"age_us":[...],...}, likewise
 *     {"cmd":"evict","name":"www.example.com.","subtree":false}   -> {"ok":true,"stamp":7,"evicted":1,"tiers":[...]}
 *     {"cmd":"dump"}                                              -> one line per answer, then {"ok":true,"count":n}
 */
#ifndef FRESHET_RESOLVER_DAEMON_COMMANDS_H
#define FRESHET_RESOLVER_DAEMON_COMMANDS_H

#include "daemon/control.h"
#include "resolver/daemon/daemon.h"

/* Answers a request; `arg` is the struct daemon. See struct control_commands. */
json_t *commands_answer(void *arg, json_t *request, struct control_work *ret_work);

#endif
