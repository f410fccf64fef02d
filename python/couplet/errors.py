"""What goes wrong, as exceptions."""


class CoupletError(Exception):
    """A mistake in a formula, arrays that do not fit it, or numbers that went wrong in a run.

    str() is the whole text of all messages, with the lines of the file and carets. `message` is the
    sentence of the first error, `code` its code ("E208", as `couplet explain` knows it), `file`,
    `line` and `column` its place; None where there is none.
    """

    def __init__(self, text, message=None, code=None, file=None, line=None, column=None):
        super().__init__(text)
        self.message = message if message is not None else text
        self.code = code
        self.file = file
        self.line = line
        self.column = column

    def __reduce__(self):
        fields = (self.args[0], self.message, self.code, self.file, self.line, self.column)
        return type(self), fields
