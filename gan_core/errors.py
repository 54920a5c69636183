"""The one exception that reaches a person."""


class UserError(Exception):
    """Something a person can put right: its text is one or two plain sentences that say what is wrong and what to do.

    The command line prints it as one line, a page shows it as a notice; neither shows a traceback.
    """
