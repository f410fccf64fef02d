; Made by tools/editors.py from lang/words.def and lang/builtins.def: change these.
(comment) @comment
(text) @string
(number) @number
(first) @keyword
(keyword) @keyword
(operator) @operator
((identifier) @keyword.operator . (operator "[")
  (#any-of? @keyword.operator "sum" "prod" "mean" "max" "min" "argmax" "argmin" "count" "any" "all" "var" "var_unbiased" "logsumexp" "softmax" "topk"))
((identifier) . (identifier) @keyword
  (#any-of? @keyword "rate" "with" "before" "on" "while" "trains" "from" "as" "where" "read" "every" "init"))
((identifier) @function.builtin . (operator "(")
  (#any-of? @function.builtin "exp" "log" "log1p" "expm1" "sqrt" "tanh" "sigmoid" "softplus" "erf" "sin" "abs" "sign" "relu" "floor" "ceil" "round" "min" "max" "real" "cos" "dot" "norm" "normalise" "concat" "reshape" "range" "transpose" "flatten" "bilinear" "normal" "uniform" "log_uniform" "bernoulli" "exponential" "beta" "permutation" "argsort" "solve" "assignment" "filled" "new" "kmeans"))
((identifier) @constant.builtin
  (#any-of? @constant.builtin "training" "step" "steps" "epoch" "pi"))
