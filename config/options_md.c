/* Prints config/OPTIONS.md. */
#include "config/options.h"

int main(void)
{
    options_write_markdown(stdout);
    return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
