/* JSON is UTF-8, and the name of a file or folder may be any bytes. jansson makes no string of
 * bytes that are not UTF-8, and an object would lack the entry in silence. So these bytes are
 * escaped. */
#include "runtime/json_text.h"

#include "runtime/data/textfile.h"

#include <stdlib.h>

json_t *couplet_json_text(const char *text) {
    json_t *plain = json_string(text);
    if (plain) return plain;
    char *copy = malloc(couplet_utf8_escape(text, NULL) + 1);
    if (!copy) return NULL;
    couplet_utf8_escape(text, copy);
    plain = json_string(copy);
    free(copy);
    return plain;
}
