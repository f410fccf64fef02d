/* What jansson has in place of `stdin` in libcouplet (runtime/CMakeLists.txt). The archive of
 * jansson is not position independent, and this name is the one thing outside it that it reads; it
 * only asks whether a file is stdin, and the runtime reads JSON from memory. With it the archive
 * goes into libcouplet.so too. */
#include <stdio.h>

extern FILE *couplet_private_stdin;
FILE *couplet_private_stdin;
