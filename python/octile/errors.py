"""What a user did or has that cannot work: one line that names it, one that says the cure, exit status 1.

In:  a message and a cure.  Out: an exception the command prints without a traceback.
Not here: our own bugs; those keep their traceback.
"""

import click


class UserError(click.ClickException):
    def __init__(self, message, cure=""):
        super().__init__(message)
        self.cure = cure

    def show(self, file=None):
        click.echo(f"octile: {self.message}", file=file, err=file is None)
        if self.cure:
            click.echo(f"        {self.cure}", file=file, err=file is None)
