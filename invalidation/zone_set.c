#include "invalidation/zone_set.h"

int zone_set_apply(struct zone *zone, const struct change_set *set, struct zone_history *history)
{
    struct zone_edit *edit;
    int error = zone_edit_begin(zone, false, &edit);
    if (error)
        return error;
    for (size_t k = 0; k < set->change_count && !error; k++)
        error = zone_edit_change(edit, &set->changes[k]);
    if (error) {
        zone_edit_abort(edit);
        return error;
    }
    if (history) /* without memory it begins anew, and the zone is what it is */
        (void)!zone_history_note(history, zone_state(zone), zone_edit_state(edit));
    zone_edit_commit(edit);
    return 0;
}
