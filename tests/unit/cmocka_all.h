/* What every unit test includes: cmocka wants these before its own header. */
#ifndef FRESHET_TESTS_CMOCKA_ALL_H
#define FRESHET_TESTS_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Random rounds in one thread, of which a sanitizer of threads learns nothing: few of them there. */
#ifdef __SANITIZE_THREAD__
#define ROUNDS(n) ((n) / 10 + 1)
#else
#define ROUNDS(n) (n)
#endif

#endif
