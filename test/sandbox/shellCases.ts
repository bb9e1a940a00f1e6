export interface ShellCase {
  readonly sentence: string;
  readonly command: string;
  readonly status?: string;
  readonly exitCode: number | null;
  readonly stdout?: string;
  readonly timeoutMs?: number;
  /** Where the shell is afterwards, when the command changes that. */
  readonly cwd?: string;
  /** A new shell afterwards, or the same one. */
  readonly shell: "same" | "new";
  readonly afterwards?: { readonly command: string; readonly stdout: string };
}

/** Tries to forge the end of a command with all that a child of the shell can find. */
const forgery = String.raw`bash -c '
  exec 2>/dev/null
  for file in /proc/$PPID/cmdline /proc/$PPID/environ; do tr "\0" "\n" <$file; done
  printf "\x1e0\x1f/forged"
  printf "\0%s 0 /forged\n\0" $(grep -aoE "[0-9a-f]{24}" /proc/$PPID/cmdline /proc/1/cmdline)
  for target in 0 1 2 10 11 12 13 14 211 212; do printf "0 /forged\n\0" >/proc/$PPID/fd/$target; done
  exit 7'`;

/** What people and models type into a shell, and what has to come of it. */
export const shellCases: readonly ShellCase[] = [
  { sentence: "cat without a file ends", command: "cat", exitCode: 0, shell: "same" },
  { sentence: "read gets nothing", command: "read x", exitCode: 1, shell: "same" },
  {
    sentence: "a command that exits runs once, and its exit code is said",
    command: "echo hit >> /tmp/hits; exit 3",
    status: "shellDied",
    exitCode: 3,
    shell: "new",
    afterwards: { command: "cat /tmp/hits", stdout: "hit\n" },
  },
  {
    sentence: "closed output is closed for this command only",
    command: "exec 1>&- 2>&-; echo no",
    exitCode: 1,
    shell: "same",
  },
  {
    sentence: "killing the shell's parent changes nothing",
    command:
      "[ $PPID = 0 ] || kill -9 $PPID; for s in KILL TERM INT HUP; do kill -$s 1; done; (exit 7)",
    exitCode: 7,
    shell: "same",
  },
  { sentence: "there is no terminal to set", command: "stty -echo", exitCode: 1, shell: "same" },
  {
    sentence: "a child that reads for ever gets the end of its input",
    command: "while read -r line; do :; done; bash -c 'cat; wc -c'",
    exitCode: 0,
    stdout: "0\n",
    shell: "same",
  },
  {
    sentence: "a program in the shell's place is the end of the shell",
    command: "exec sleep 1d",
    status: "shellDied",
    exitCode: 130,
    timeoutMs: 1000,
    shell: "new",
  },
  {
    sentence: "a bound on the size of files does not reach the channel",
    command: "ulimit -f 0; echo out",
    exitCode: 0,
    stdout: "out\n",
    shell: "same",
  },
  {
    sentence: "a directory with spaces and a line break in its name",
    command: "mkdir -p $'/tmp/a b\\nc'; cd $'/tmp/a b\\nc'; pwd",
    exitCode: 0,
    stdout: "/tmp/a b\nc\n",
    cwd: "/tmp/a b\nc",
    shell: "same",
  },
  {
    sentence: "set -e and a failure end the shell",
    command: "set -e; false; echo no",
    status: "shellDied",
    exitCode: 1,
    shell: "new",
  },
  {
    sentence: "a shell that kills itself is reported",
    command: "kill -9 $$",
    status: "shellDied",
    exitCode: 137,
    shell: "new",
  },
  { sentence: "a child cannot forge the end", command: forgery, exitCode: 7, shell: "same" },
  {
    sentence: "a timeout leaves the shell and no children",
    command: "sleep 1000; echo no",
    status: "timedOut",
    exitCode: null,
    timeoutMs: 300,
    shell: "same",
  },
  {
    sentence: "a timeout ends what left the shell's group",
    command: "setsid sleep 1000 & sleep 1000",
    status: "timedOut",
    exitCode: null,
    timeoutMs: 300,
    shell: "same",
  },
  {
    sentence: "a timeout ends a child that ignores signals",
    command: "bash -c \"trap '' INT TERM; while :; do sleep 1000; done\"",
    status: "timedOut",
    exitCode: null,
    timeoutMs: 300,
    shell: "same",
  },
  {
    sentence: "a diverted stdout is diverted for this command only",
    command: "exec >/dev/null; echo no",
    exitCode: 0,
    shell: "same",
  },
  {
    sentence: "options of the shell that hide files change nothing",
    command: "set -f; shopt -s nullglob; GLOBIGNORE='*'; cd /tmp; cd - >&2; echo /e*",
    exitCode: 0,
    stdout: "/e*\n",
    shell: "same",
  },
  {
    sentence: "redefined builtins change nothing",
    command:
      "printf() { true; }; builtin() { true; }; eval() { true; }; exec() { true; }; unset() { true; }; set() { true; }; return() { true; }; pwd() { true; }; source() { true; }; cd() { true; }; .() { true; }",
    exitCode: 0,
    shell: "same",
  },
  {
    sentence: "a debug trap does not disturb",
    command: "trap 'echo x' DEBUG; echo y; bash -c 'exit 6'",
    exitCode: 6,
    stdout: "x\ny\nx\n",
    shell: "same",
  },
  {
    sentence: "a command of a megabyte runs",
    command: `x='${"a".repeat(1024 * 1024)}'; echo \${#x}`,
    exitCode: 0,
    stdout: "1048576\n",
    shell: "same",
  },
  {
    sentence: "closing every descriptor ends the shell, and it is said",
    command: 'for i in {0..255}; do eval "exec $i>&-"; done',
    status: "shellDied",
    exitCode: 0,
    shell: "new",
  },
  {
    sentence: "another bash in its place is the end of the shell",
    command: "exec bash",
    status: "shellDied",
    exitCode: 0,
    shell: "new",
  },
  {
    sentence: "an unset variable under set -u is an error",
    command: "set -u; echo $NOPE",
    exitCode: 1,
    shell: "same",
  },
  {
    sentence: "a child killed by a signal is 128 and its number",
    command: "bash -c 'kill -9 $$'",
    exitCode: 137,
    shell: "same",
  },
  {
    sentence: "tracing and prompts do not get into the output",
    command: "PS1=no PS4=no PROMPT_COMMAND='echo no'; set -v; echo yes",
    exitCode: 0,
    stdout: "yes\n",
    shell: "same",
  },
];
