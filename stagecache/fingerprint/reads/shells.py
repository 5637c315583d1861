"""Decides which environment variables say only who works, where and in which window.

Whoever copies the whole environment, to hand it on to a program, means none of them; whoever names
one does. Two shells differ in them, and a result that is good in one is good in the other.
"""

from __future__ import annotations

import re

_PLACES = r"_|PWD|OLDPWD|SHLVL|HOME|PATH|MANPATH|INFOPATH|TMPDIR|TMP|TEMP|HOST|HOSTNAME|HOSTTYPE"
_PERSONS = r"USER|LOGNAME|USERNAME|SHELL|MAIL|EDITOR|VISUAL|PAGER|BROWSER|LESS.*|HIST.*|PS\d"
_LANGUAGES = r"LANG|LANGUAGE|LC_.*"
_WINDOWS = (
    r"COLUMNS|LINES|DISPLAY|WAYLAND_DISPLAY|WINDOWID|LS_COLORS|COLORTERM|COLORFGBG|CLICOLOR.*"
    r"|NO_COLOR|FORCE_COLOR|TERM(_.*)?|TERMINFO.*|VTE_VERSION|TMUX.*|STY|ZELLIJ.*|VSCODE_.*|ITERM_.*"
    r"|KITTY_.*|WEZTERM_.*|ALACRITTY_.*|KONSOLE_.*|GNOME_.*|DESKTOP_.*|XDG_.*|SESSION_MANAGER"
)
_SESSIONS = (
    r"SSH_.*|GPG_.*|DBUS_.*|SUDO_.*|STARSHIP_.*|DIRENV_.*|VIRTUAL_ENV.*|CONDA_.*|PYENV_.*|NVM_.*"
    r"|UV|UV_.*|PYTHON[A-Z]+|JPY_.*|JUPYTER_.*|PYTEST_.*|COV_.*|INVOCATION_ID|JOURNAL_STREAM"
    r"|SYSTEMD_.*|MAKEFLAGS|MAKELEVEL|MFLAGS|STAGECACHE_.*"
)
_OF_A_SHELL = re.compile("|".join((_PLACES, _PERSONS, _LANGUAGES, _WINDOWS, _SESSIONS)))


def is_of_a_shell(name: str) -> bool:
    """Tell whether a variable says only from where somebody works, as ``PWD`` does.

    Examples
    --------
    >>> is_of_a_shell("TERM"), is_of_a_shell("TERMS"), is_of_a_shell("API_URL")
    (True, False, False)
    """
    return _OF_A_SHELL.fullmatch(name) is not None
