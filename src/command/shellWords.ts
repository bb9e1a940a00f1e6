/**
 * Names that are the shell's own matter: words of its grammar, and builtins that no program stands
 * in for. A command that begins with one is not a program with arguments.
 */
const reserved =
  "if then elif else fi for while until do done case esac in select function time coproc { } [[ ]] !";
const builtins =
  "[ . : alias bg bind break builtin caller cd command compgen complete compopt continue declare dirs disown enable eval exec exit export fc fg getopts hash help history jobs kill let local logout mapfile popd pushd read readarray readonly return set shift shopt source suspend times trap type typeset ulimit umask unalias unset wait";

export const shellWords: ReadonlySet<string> = new Set(`${reserved} ${builtins}`.split(" "));
