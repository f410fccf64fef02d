/* What the page of `couplet report` shows of one run beyond its log. */
#ifndef COUPLET_DRIVER_REPORT_DETAIL_H
#define COUPLET_DRIVER_REPORT_DETAIL_H

#include "compiler/driver/options.h"
#include "compiler/page/page.h"

/* The method of the run in the folder, and its features on the data of its record, or on what
 * `options` names. What cannot be made is said in `out`, and why. False when a signal ended it. */
bool report_detail(Arena *arena, const Options *options, const char *folder, PageDetail *out);

#endif
