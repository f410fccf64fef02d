" Made by tools/editors.py from lang/words.def and lang/builtins.def: change these.
if exists("b:current_syntax")
  finish
endif

syn match coupletSign /\v\<-|\>\>|\<\=|\>\=|\=\=|!\=|\.\.|[-+*\/^<>=,:|~.;()\[\]{}]/
syn match coupletName /\v[A-Za-z_][A-Za-z0-9_]*/
syn match coupletBuiltin /\v<%(exponential|log_uniform|permutation|assignment|bernoulli|normalise|transpose|bilinear|softplus|argsort|flatten|reshape|sigmoid|uniform|concat|filled|kmeans|normal|expm1|floor|log1p|range|round|solve|beta|ceil|norm|real|relu|sign|sqrt|tanh|abs|cos|dot|erf|exp|log|max|min|new|sin)>%(\s*\()@=/
syn match coupletNumber /\v<[0-9]+%(\.[0-9]+)?%([eE][-+]?[0-9]+|[KMG]iB)?[A-Za-z0-9_]@!/
syn match coupletSoft /\v%([A-Za-z0-9_)\]"}]@1<=\s+|[)\]"}]@1<=)%(before|trains|every|where|while|from|init|rate|read|with|as|on)>%(\s+%(%(else|then|and|div|mod|or)>)@![A-Za-z_(0-9\"])@=/
syn match coupletWord /\v<%(false|copy|else|stop|then|true|and|div|mod|not|if|or)>/
syn match coupletReducer /\v<%(var_unbiased|logsumexp|softmax|argmax|argmin|count|mean|prod|topk|all|any|max|min|sum|var)>%(\s*\[)@=/
syn match coupletFirst /\v%(^|[{;]@1<=)\s*<%(optimiser|report|return|update|every|hyper|param|queue|stage|start|state|train|bank|data|draw|eval|give|loss|next|over|scan|view|when|ema|let|net|use|fn)>%(\s*[=:,)\]])@!%([.,)\]])@!/
syn match coupletText /"[^"]*"/
syn match coupletComment /#.*/

hi def link coupletComment Comment
hi def link coupletText String
hi def link coupletFirst Statement
hi def link coupletReducer Operator
hi def link coupletWord Keyword
hi def link coupletSoft Keyword
hi def link coupletNumber Number
hi def link coupletBuiltin Function
hi def link coupletSign Operator

let b:current_syntax = "couplet"
