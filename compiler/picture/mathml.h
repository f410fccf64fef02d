/* Sets LaTeX as MathML, which browsers show without another program. It reads what tex.h prints and
 * nothing more: `aligned` rows with the signs of tex.c. */
#ifndef COUPLET_PICTURE_MATHML_H
#define COUPLET_PICTURE_MATHML_H

#include "lang/support.h"

/* Appends one `<math>` element, set as a display. Returns false, with nothing appended, for a text
 * with a command or an environment that tex.c does not print, or with braces that do not match. */
bool mathml_append(const char *latex, Text *out);

#endif
