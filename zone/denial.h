/*
 * denial.h - what a signed zone proves with what it does not have: NSEC (RFC 4035 3.1.3), NSEC3 (RFC 5155 7.2).
 *
 * Each puts the records of one proof into the authority section, those not there already; of a zone that has neither
 * NSEC at its apex nor NSEC3PARAM, nothing.
 */
#ifndef FRESHET_ZONE_DENIAL_H
#define FRESHET_ZONE_DENIAL_H

#include "zone/finding.h"

/* That a name does not exist, nor a wildcard for it: `encloser_labels` of it, from the root's side, are its closest encloser. */
void denial_of_name(struct finding *finding, const struct finding_name *name,
                    size_t encloser_labels);

/* That a name which exists, with data (`node`) or as an empty non-terminal (NULL), has none of the type. */
void denial_of_type(struct finding *finding, const struct finding_name *name,
                    const struct node *node);

/*
 * The same of a name that is answered by a wildcard; `node` is the wildcard's, NULL if it is an empty non-terminal.
 * denial_of_better() goes with it.
 */
void denial_of_wildcard_type(struct finding *finding, const struct finding_name *name,
                             size_t encloser_labels, const struct node *node);

/* That nothing is closer to a name than the wildcard which answered it. */
void denial_of_better(struct finding *finding, const struct finding_name *name,
                      size_t encloser_labels);

#endif
