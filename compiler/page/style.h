/* The style sheet and the script of a page. */
#ifndef COUPLET_PAGE_STYLE_H
#define COUPLET_PAGE_STYLE_H

extern const char *const page_style[];  /* the lines of the style sheet; NULL behind the last */
extern const char *const page_script[]; /* the lines of the script; NULL behind the last */

#endif
