/* JSON is UTF-8, and the name of a file or folder is any bytes: jansson makes no string of such a
 * name, and an object would silently lack the entry. */
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
