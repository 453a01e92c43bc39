/*
 * status_catalogs.h - what "freshet status" prints of catalogs (docs/catalog.md).
 */
#ifndef FRESHET_CLI_STATUS_CATALOGS_H
#define FRESHET_CLI_STATUS_CATALOGS_H

#include <jansson.h>

/* `catalogs`: the member of that name of the answer to {"cmd":"status"}; NULL is fine. */
void status_print_catalogs(const json_t *catalogs);

#endif
