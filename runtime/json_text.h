/* Makes JSON strings of texts from outside, such as the names of files. */
#ifndef COUPLET_JSON_TEXT_H
#define COUPLET_JSON_TEXT_H

#include <jansson.h>

/* Returns a JSON string of any bytes. \xNN stands for each byte that is not UTF-8, as in the names
 * of some files, so that such a name is not left out of what is written. Returns NULL if memory
 * runs out. */
json_t *couplet_json_text(const char *text);

#endif
