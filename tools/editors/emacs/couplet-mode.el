;;; couplet-mode.el --- Couplet and its server -*- lexical-binding: t -*-
;; Made by tools/editors.py from lang/words.def and lang/builtins.def: change these.

(require 'regexp-opt)

(defconst couplet-mode-first
  (list
      "use" "data" "hyper" "view" "net" "ema" "let" "fn" "loss" "train" "eval" "queue"
      "state" "update" "param" "draw" "return" "optimiser" "scan" "next" "bank" "when"
      "every" "over" "report" "stage" "start" "give"))

(defconst couplet-mode-words
  (list
      "if" "then" "else" "and" "or" "not" "mod" "div" "stop" "copy" "true" "false"))

(defconst couplet-mode-reductions
  (list
      "sum" "prod" "mean" "max" "min" "argmax" "argmin" "count" "any" "all" "var"
      "var_unbiased" "logsumexp" "softmax" "topk"))

(defconst couplet-mode-builtins
  (list
      "exp" "log" "log1p" "expm1" "sqrt" "tanh" "sigmoid" "softplus" "erf" "sin" "abs"
      "sign" "relu" "floor" "ceil" "round" "min" "max" "real" "cos" "dot" "norm"
      "normalise" "concat" "reshape" "range" "transpose" "flatten" "bilinear" "normal"
      "uniform" "log_uniform" "bernoulli" "exponential" "beta" "permutation" "argsort"
      "solve" "assignment" "filled" "new" "kmeans"))

(defvar couplet-mode-font-lock
  `((,(concat "\\(?:^\\|[{;]\\)[ \t]*\\(" (regexp-opt couplet-mode-first)
              "\\)\\_>[^=:,.)]")
     1 font-lock-keyword-face)
    (,(concat (regexp-opt couplet-mode-reductions 'symbols) "[ \t]*\\[") 1
     font-lock-builtin-face)
    (,(regexp-opt couplet-mode-words 'symbols) . font-lock-keyword-face)
    (,(concat (regexp-opt couplet-mode-builtins 'symbols) "[ \t]*(") 1
     font-lock-function-name-face)))

;;;###autoload
(define-derived-mode couplet-mode prog-mode "Couplet"
  "Formulas and methods of contrastive learning."
  (modify-syntax-entry ?# "<" (syntax-table))
  (modify-syntax-entry ?\n ">" (syntax-table))
  (modify-syntax-entry ?_ "_" (syntax-table))
  (setq-local comment-start "# ")
  (setq-local font-lock-defaults '(couplet-mode-font-lock)))

;;;###autoload
(add-to-list 'auto-mode-alist '("\\.cpl\\'" . couplet-mode))

(with-eval-after-load 'eglot
  (add-to-list 'eglot-server-programs '(couplet-mode . ("couplet" "lsp"))))

(provide 'couplet-mode)
;;; couplet-mode.el ends here
