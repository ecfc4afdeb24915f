"""The one exception that is written for the person at the keyboard."""


class UserError(Exception):
    """Something the user can put right: what is wrong, where, and what to do, one line each.

    The command line prints the message without a traceback and exits with code 2.
    """
