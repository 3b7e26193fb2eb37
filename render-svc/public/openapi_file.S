/* The description of the public API, compiled in; openapi.c declares it. */
    .section .rodata
    .global openapi_file, openapi_file_end
openapi_file:
    .incbin "proto/public-api.yml"
openapi_file_end:

    .section .note.GNU-stack, "", %progbits
