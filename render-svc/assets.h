/* The files that the page needs, compiled in. */
#ifndef RENDER_ASSETS_H
#define RENDER_ASSETS_H

extern const char asset_icon[], asset_icon_end[];
extern const char asset_style[], asset_style_end[];

#endif
