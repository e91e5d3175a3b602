"""What a user did or has that cannot work: one line that names it, one that says the cure, exit status 1.

In:  a message and a cure.  Out: an exception the command prints without a traceback.
Not here: our own bugs; those keep their traceback.
"""

import sys

import click


class UserError(click.ClickException):
    def __init__(self, message, cure=""):
        super().__init__(message)
        self.cure = cure

    def show(self, file=None):
        click.echo(f"octile: {self.message}", file=file, err=file is None)
        if self.cure:
            click.echo(f"        {self.cure}", file=file, err=file is None)


def exit_with(main):
    """Ends a program that is no command of octile with what main() returns, or with what the user has to mend."""
    try:
        sys.exit(main())
    except UserError as error:
        error.show()
    except OSError as error:
        UserError(f"{error.filename}: {error.strerror}" if error.filename else str(error)).show()
    sys.exit(1)
