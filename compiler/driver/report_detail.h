/* The part of the page of `couplet report` about one run beside its log. */
#ifndef COUPLET_DRIVER_REPORT_DETAIL_H
#define COUPLET_DRIVER_REPORT_DETAIL_H

#include "compiler/driver/options.h"
#include "compiler/page/page.h"

/* Fills in the method of the run in the folder, and its features on the data of its record, or on
 * the data that `options` names. `out` says what could not be made, and why. Returns false if a
 * signal ended it. */
bool report_detail(Arena *arena, const Options *options, const char *folder, PageDetail *out);

#endif
