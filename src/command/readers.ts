import { judgeFind, judgeTest } from "./expressions.ts";
import {
  atMost,
  grammar,
  type Judge,
  nothing,
  paths,
  patternThenPaths,
  texts,
  type Operands,
} from "./grammar.ts";

/** A date is shown in a format; without the plus the machine's date would be set. */
const formats: Operands = (words) =>
  words.every((word) => word.startsWith("+")) ? words.map(() => "text") : null;
/** A second file would be written. */
const onePath = atMost(1, paths);
const sums = grammar("-b -t -z --binary --tag --text --zero", paths);
const showsAll: Judge = () => "reads";
const nothingElse = grammar("", nothing);

/** Programs that only read, by what they may be given for it. What is not here is unknown. */
export const readers: ReadonlyMap<string, Judge> = new Map(
  Object.entries<Judge>({
    ls: grammar(
      `-1 -A -B -C -F -G -N -Q -R -S -U -X -a -b -c -d -f -g -h -i -k -l -m -n -o -p -q -r -s -t -u -v -x
     -I=text -w=number --all --almost-all --classify --color[=text] --directory --full-time
     --group-directories-first --hide=text --human-readable --ignore=text --inode --numeric-uid-gid
     --recursive --reverse --size --sort=text --time=text --time-style=text`,
      paths,
    ),
    cat: grammar("-A -E -T -b -e -n -s -t -u -v --number --number-nonblank --show-all", paths),
    tac: grammar("", paths),
    rev: grammar("", paths),
    head: grammar("-5 -c=number -n=number -q -v -z --bytes=number --lines=number --quiet", paths),
    tail: grammar("-5 -c=number -n=number -q -v -z --bytes=number --lines=number --quiet", paths),
    wc: grammar("-L -c -l -m -w --bytes --chars --lines --max-line-length --words", paths),
    grep: grammar(
      `-5 -A=number -B=number -C=number -E -F -G -H -I -L -P -Z -a -b -c -e=text -h -i -l -m=number -n -o
     -q -r -s -v -w -x -z --after-context=number --basic-regexp --before-context=number
     --color[=text] --colour[=text] --context=number --count --exclude=text --exclude-dir=text
     --extended-regexp --files-with-matches --files-without-match --fixed-strings --ignore-case
     --include=text --invert-match --line-number --line-regexp --max-count=number --no-filename
     --no-messages --only-matching --perl-regexp --quiet --recursive --regexp=text --text
     --with-filename --word-regexp`,
      patternThenPaths,
    ),
    rg: grammar(
      `-A=number -B=number -C=number -F -H -I -N -P -S -T=text -U -a -c -e=text -g=text -i -l -m=number -n
     -o -p -q -s -t=text -u -v -w -x --after-context=number --before-context=number --case-sensitive
     --color=text --column --context=number --count --files --files-with-matches
     --files-without-match --fixed-strings --glob=text --heading --hidden --iglob=text --ignore-case
     --invert-match --json --line-number --line-regexp --max-count=number --max-depth=number
     --multiline --no-heading --no-ignore --no-line-number --only-matching --quiet --regexp=text
     --smart-case --sort=text --stats --trim --type=text --type-list --type-not=text --vimgrep
     --word-regexp`,
      patternThenPaths,
    ),
    find: judgeFind,
    file: grammar("-b -h -i --brief --mime --mime-encoding --mime-type --no-dereference", paths),
    stat: grammar("-c=text -f -t --file-system --format=text --printf=text --terse", paths),
    diff: grammar(
      `-5 -B -N -U=number -W=number -a -b -c -e -i -q -r -s -t -u -w -y --brief --color[=text]
     --exclude=text --ignore-all-space --ignore-blank-lines --ignore-case --ignore-space-change
     --new-file --no-dereference --recursive --report-identical-files --side-by-side --text
     --unified[=number] --width=number`,
      atMost(2, paths),
    ),
    cmp: grammar(
      "-b -l -n=number -s --bytes=number --print-bytes --quiet --silent",
      atMost(2, paths),
    ),
    comm: grammar("-1 -2 -3 -z --nocheck-order", paths),
    sort: grammar(
      `-C -M -V -b -c -d -f -g -h -i -k=text -m -n -r -s -t=text -u -z --check --field-separator=text
     --human-numeric-sort --ignore-case --key=text --numeric-sort --reverse --stable --unique
     --version-sort`,
      paths,
    ),
    uniq: grammar(
      "-D -c -d -f=number -i -s=number -u -w=number -z --count --repeated --unique",
      onePath,
    ),
    cut: grammar(
      `-b=text -c=text -d=text -f=text -s -z --bytes=text --characters=text --complement
     --delimiter=text --fields=text --only-delimited --output-delimiter=text`,
      paths,
    ),
    paste: grammar("-d=text -s -z --delimiters=text --serial", paths),
    fold: grammar("-b -s -w=number --bytes --spaces --width=number", paths),
    expand: grammar("-i -t=text", paths),
    tr: grammar("-C -c -d -s -t --complement --delete --squeeze-repeats", atMost(2, texts)),
    nl: grammar("-b=text -f=text -h=text -i=number -n=text -p -s=text -v=number -w=number", paths),
    od: grammar("-A=text -N=number -a -b -c -d -j=text -o -s -t=text -v -x --format=text", paths),
    tree: grammar("-C -D -F -I:text -L:number -N -P:text -a -d -f -h -i -n -p -s -t -v", paths),
    du: grammar(
      "-a -b -c -d=number -h -k -m -s -x --all --apparent-size --bytes --human-readable --max-depth=number --summarize --total",
      paths,
    ),
    df: grammar("-T -a -h -i -k -m --human-readable --inodes --print-type", paths),
    md5sum: sums,
    sha1sum: sums,
    sha256sum: sums,
    sha512sum: sums,
    cksum: grammar("", paths),
    basename: grammar("-a -s=text -z --multiple --suffix=text --zero", texts),
    dirname: grammar("-z --zero", texts),
    realpath: grammar("-L -P -e -m -q -s -z --relative-base=path --relative-to=path", paths),
    readlink: grammar("-e -f -m -n -q -s -v -z", paths),
    pwd: grammar("-L -P", nothing),
    date: grammar("-I[=text] -R -d=text -r=path -u --date=text --iso-8601[=text] --utc", formats),
    which: grammar("-a", texts),
    seq: grammar("-s=text -w --separator=text --equal-width", texts),
    uname: grammar("-a -m -n -o -r -s -v --all --machine", nothing),
    id: grammar("-G -g -n -u", nothing),
    whoami: nothingElse,
    nproc: nothingElse,
    true: nothingElse,
    false: nothingElse,
    test: judgeTest,
    echo: showsAll,
    printf: (args) => (args[0]?.startsWith("-") === true ? "unknown" : "reads"),
  }),
);
