/* A replacement for jansson's use of `stdin` in libcouplet (runtime/CMakeLists.txt). The archive of
 * jansson is not position independent, and this name is the one thing outside it that it reads;
 * jansson only asks whether a file is stdin, and the runtime reads JSON from memory. With this name
 * defined, the archive can go into libcouplet.so too. */
#include <stdio.h>

extern FILE *couplet_private_stdin;
FILE *couplet_private_stdin;
