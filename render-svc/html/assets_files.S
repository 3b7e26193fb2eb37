/* The files of assets/, compiled in; assets.c declares them. */
    .section .rodata
    .macro file name, path
    .global \name, \name\()_end
\name:
    .incbin "\path"
\name\()_end:
    .endm

    file asset_icon, "render-svc/assets/icon.svg"
    file asset_script, "render-svc/assets/page.js"
    file asset_style, "render-svc/assets/style.css"

    .section .note.GNU-stack, "", %progbits
