if exists("b:did_ftplugin")
  finish
endif
let b:did_ftplugin = 1

setlocal comments=:# commentstring=#\ %s shiftwidth=2 softtabstop=2 expandtab
let &l:formatprg = "couplet fmt -"
let b:undo_ftplugin = "setlocal comments< commentstring< shiftwidth< softtabstop< expandtab< formatprg<"
