/*
 * common.pml - what the models share: promises, situations, and how a step tells of itself.
 *
 * How to read them. A `proctype` is a thread. Spin runs one step of some thread, then one step of any
 * thread, and so on, in every possible order. `::` lines are alternatives; where several are open,
 * all are tried. `d_step { ... }` is one step: nothing comes between its statements. A PROMISE holds
 * in every order, or Spin prints one in which it does not. SAY() prints only when such an order is
 * played back: its first letter is who does the step, - is the world.
 */

/* True, or Spin stops here. The names are what it prints, so each is a variable. */
#define PROMISE(name, condition) name = (condition); assert(name)

/* run.sh proves by REACH=n that situation n occurs, lest promises hold because nothing happens. */
#ifndef REACH
#define REACH 0
#endif
#define SITUATION(n) assert(REACH != n)

#define NONE 255
#define MAX(a, b) (a > b -> a : b)
#define MIN(a, b) (a < b -> a : b)

#define SAY(t, text) printf("%c ", WHO(t)); printf(text)
#define SAY1(t, text, a) printf("%c ", WHO(t)); printf(text, a)
#define SAY2(t, text, a, b) printf("%c ", WHO(t)); printf(text, a, b)
#define SAY3(t, text, a, b, c) printf("%c ", WHO(t)); printf(text, a, b, c)
