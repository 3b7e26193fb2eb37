/* The patterns of bots' user agents, compiled in; bots.c declares them. */
    .section .rodata
    .global bots_file, bots_file_end
bots_file:
    .incbin "render-svc/bots/isbot.txt"
bots_file_end:

    .section .note.GNU-stack, "", %progbits
