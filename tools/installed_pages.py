#!/usr/bin/env python3
"""installed_pages.py COUPLET FOLDER: what an installation has beside the program, made of what
`couplet help` says: the manual page couplet.1, and the completions of bash, zsh and fish."""
import os
import re
import subprocess
import sys


class Command:
    """A command as `couplet help` shows it: its lines of usage, then what it does."""

    def __init__(self, text):
        lines = text.split("\n")
        self.usage = [line for line in lines if not line.startswith("    ")
                      or "[" == line.strip()[:1]]
        self.said = " ".join(line.strip() for line in lines if line not in self.usage)
        self.name = self.usage[0].split()[1]
        self.options = sorted(set(re.findall(r"--[a-z-]+|(?<![\w-])-o(?= )", text)))
        self.choices = dict(re.findall(r"(--[a-z-]+) ([a-z]+(?:\|[a-z]+)+)",
                                       text.replace("[:n]", "")))


def couplet_help(couplet):
    """The first paragraph, the commands, and what is said of all of them."""
    text = subprocess.run([couplet, "help"], capture_output=True, text=True, check=True).stdout
    parts = [part for part in text.strip().split("\n\n")]
    commands = [Command(part) for part in parts[1:] if part.startswith("couplet ")]
    known = [command for command in commands if command.name != "version"]
    return parts[0], known, [part for part in parts[1:] if not part.startswith("couplet ")]


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line[:1] in ".'" else line for line in text.split("\n"))


def manual(couplet, version):
    about, commands, rest = couplet_help(couplet)
    page = [f'.TH COUPLET 1 "" "Couplet {version}" "User Commands"', ".SH NAME",
            "couplet \\- contrastive learning methods as their formulas", ".SH SYNOPSIS",
            ".B couplet", ".I COMMAND", "[ARGUMENT...]", ".SH DESCRIPTION", roff(about),
            ".SH COMMANDS"]
    for command in commands:
        page += [f".SS {command.name}", ".nf", roff("\n".join(command.usage)), ".fi", ".PP",
                 roff(command.said)]
    page += [".SH OPTIONS OF ALL COMMANDS", *(roff(part) + "\n.PP" for part in rest)]
    page += [".SH EXIT STATUS", roff(
        "0: it was done. 1: it was not, and a message says why. 2: the command line is wrong.\n"
        "130: it was interrupted; what was done so far is kept."), ".SH SEE ALSO", roff(
        "The pages that come with the program: language, tools, runs, data, binaries.")]
    return "\n".join(page) + "\n"


def bash(commands):
    cases = "\n".join(f"        {c.name}) options=\"{' '.join(c.options)}\" ;;" for c in commands)
    values = {}
    for option, choice in (pair for c in commands for pair in c.choices.items()):
        values[option] = max(choice, values.get(option, ""), key=len)
    answers = "\n".join(
        f"        {option}) COMPREPLY=($(compgen -W \"{' '.join(choice.split('|'))}\" "
        f"-- \"$word\")); return ;;" for option, choice in sorted(values.items()))
    names = " ".join(c.name for c in commands)
    return f"""# bash completion of couplet
_couplet() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} last=${{COMP_WORDS[COMP_CWORD-1]}} options=
    if [ "$COMP_CWORD" = 1 ]; then
        COMPREPLY=($(compgen -W "{names} help version" -- "$word"))
        return
    fi
    case $last in
{answers}
    esac
    case ${{COMP_WORDS[1]}} in
{cases}
        help) options="{names}" ;;
    esac
    case $word in
        -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
        *) [ "${{COMP_WORDS[1]}}" = help ] && COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    esac
}}
complete -o default -F _couplet couplet
"""


def first_sentence(command):
    sentence = re.split(r"[.;:] ", command.said + " ")[0].rstrip(".").replace("'", "")
    return sentence if len(sentence) < 80 else sentence.split(",")[0]


def zsh(commands):
    names = "\n".join(f"        '{c.name}:{first_sentence(c)}'" for c in commands)
    cases = "\n".join("        {}) _arguments '*:file:_files' {} ;;".format(
        c.name, " ".join(f"'{option}[]'" for option in c.options)) for c in commands)
    return f"""#compdef couplet
_couplet() {{
    local -a names
    names=(
{names}
    )
    if (( CURRENT == 2 )); then
        _describe command names
        return
    fi
    case $words[2] in
{cases}
        help) _describe command names ;;
    esac
}}
_couplet "$@"
"""


def fish(commands):
    lines = ["# fish completion of couplet"]
    for c in commands:
        lines.append(f"complete -c couplet -n __fish_use_subcommand -a {c.name} "
                     f"-d '{first_sentence(c)}'")
        for option in c.options:
            word = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            choice = c.choices.get(option)
            values = f" -x -a '{choice.replace('|', ' ')}'" if choice else ""
            lines.append(f"complete -c couplet -n '__fish_seen_subcommand_from {c.name}' "
                         f"{word}{values}")
    return "\n".join(lines) + "\n"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    couplet, folder = sys.argv[1:3]
    version = subprocess.run([couplet, "version"], capture_output=True, text=True).stdout.split()[1]
    commands = couplet_help(couplet)[1]
    made = {"couplet.1": manual(couplet, version), "couplet.bash": bash(commands),
            "_couplet": zsh(commands), "couplet.fish": fish(commands)}
    os.makedirs(folder, exist_ok=True)
    for name, text in made.items():
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)


main()
