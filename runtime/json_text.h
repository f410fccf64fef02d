/* Texts from outside in JSON. */
#ifndef COUPLET_JSON_TEXT_H
#define COUPLET_JSON_TEXT_H

#include <jansson.h>

/* A JSON string of any bytes: \xNN stands for each byte that is no UTF-8, as in the names of some
 * files, so that such a name is not left out of what is written. NULL when memory runs out. */
json_t *couplet_json_text(const char *text);

#endif
