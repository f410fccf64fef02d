/* Replaces jansson's use of `stdin` in libcouplet (runtime/CMakeLists.txt). The archive of jansson
 * is not position independent, and this name is the only thing outside it that it reads: jansson
 * compares a file with stdin, while the runtime reads JSON from memory. With this name defined, the
 * archive can be linked into libcouplet.so too. */
#include <stdio.h>

extern FILE *couplet_private_stdin;
FILE *couplet_private_stdin;
