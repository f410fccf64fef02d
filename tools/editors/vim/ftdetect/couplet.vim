au BufRead,BufNewFile *.cpl set filetype=couplet
