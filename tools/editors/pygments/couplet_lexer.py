"""Couplet for Pygments.

Made by tools/editors.py from lang/words.def and lang/builtins.def: change these."""
import re

from pygments.lexer import RegexLexer
from pygments.token import (Comment, Keyword, Name, Number, Operator, String,
                            Whitespace)


class CoupletLexer(RegexLexer):
    name = "Couplet"
    aliases = ["couplet"]
    filenames = ["*.cpl"]
    mimetypes = ["text/x-couplet"]
    flags = re.MULTILINE
    # No line is changed or left out, so that places stay what they are.
    
    def __init__(self, **options):
        super().__init__(stripnl=False, ensurenl=False, **options)

    tokens = {
        "root": [
            ('#[^\\n]*',
             Comment.Single),
            ('"[^"\\n]*"',
             String.Double),
            ('(?:^|(?<=[{;]))[ \\t\\r]*(?:optimiser|report|return|update|every|hyper|p'
             'aram|queue|stage|start|state|train|bank|data|draw|eval|give|loss|next|'
             'over|scan|view|when|ema|let|net|use|fn)(?![\\w.,)\\]])(?![ \\t]*[=:,)\\]])',
             Keyword.Declaration),
            ('\\b(?:var_unbiased|logsumexp|softmax|argmax|argmin|count|mean|prod|topk'
             '|all|any|max|min|sum|var)\\b(?=[ \\t\\r]*\\[)',
             Operator.Word),
            ('\\b(?:false|copy|else|stop|then|true|and|div|mod|not|if|or)\\b',
             Keyword),
            ('(?:(?<=[\\w)\\]\\"}])[ \\t]+|(?<=[)\\]\\"}]))(?:before|trains|every|where|wh'
             'ile|from|init|rate|read|with|as|on)\\b(?=[ \\t]+(?!(?:else|then|and|div|'
             'mod|or)\\b)[A-Za-z_(0-9\\"])',
             Keyword.Reserved),
            ('\\b[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+|[KMG]iB)?(?!\\w)',
             Number),
            ('\\b(?:exponential|log_uniform|permutation|assignment|bernoulli|normalis'
             'e|transpose|bilinear|softplus|argsort|flatten|reshape|sigmoid|uniform|'
             'concat|filled|kmeans|normal|expm1|floor|log1p|range|round|solve|beta|c'
             'eil|norm|real|relu|sign|sqrt|tanh|abs|cos|dot|erf|exp|log|max|min|new|'
             'sin)\\b(?=[ \\t]*\\()',
             Name.Builtin),
            ('[A-Za-z_]\\w*',
             Name),
            ('<-|>>|<=|>=|==|!=|\\.\\.|[-+*/^<>=,:|~.;()\\[\\]{}]',
             Operator),
            (r"\n|[ \t\r]+", Whitespace),
        ],
    }
