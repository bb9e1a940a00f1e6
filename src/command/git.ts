import { effectOfPath, effectOfWord, type PlaceEffect } from "./places.ts";
import { atMost, grammar, type Judge, nothing, type Operands, texts, worst } from "./grammar.ts";

/** How `git` is run in place of what was written, for a verb that only reads. */
export interface GitRun {
  readonly effect: PlaceEffect;
  /** Null where the verb or an option of it is not known to read. */
  readonly run: readonly string[] | null;
}

interface Verb {
  readonly judge: Judge;
  /** Options that it is always given: none of its own settings then runs a program. */
  readonly fixed: readonly string[];
}

/** Settings and files of a repository that name programs are out of force, whatever it says. */
const settings = [
  "core.fsmonitor=false",
  "core.hooksPath=/dev/null",
  "safe.bareRepository=explicit",
  "diff.autoRefreshIndex=false",
  "format.pretty=medium",
  "log.showSignature=false",
  ...["gpg", "gpg.openpgp", "gpg.ssh", "gpg.x509"].map((name) => `${name}.program=false`),
  "status.submoduleSummary=false",
];
/**
 * Filters (`filter.NAME.process`, `clean`, `smudge`) have names of the repository's own, so each
 * is looked up and emptied; and no object that is missing is fetched from anywhere.
 */
const withoutFilters = String.raw`
count=0
while IFS= read -r -d '' name; do
  export "GIT_CONFIG_KEY_$count=${"$"}{name%.*}.process" "GIT_CONFIG_VALUE_$count="
  count=$((count + 1))
done < <(git config --null --name-only --get-regexp '^filter[.]')
export GIT_CONFIG_COUNT=$count GIT_ALLOW_PROTOCOL= GIT_NO_LAZY_FETCH=1 GIT_OPTIONAL_LOCKS=0
exec git --no-pager "$@"
`;
const launcher = ["bash", "--noprofile", "--norc", "-p", "-c", withoutFilters, "git"];

const noPrograms = ["--no-ext-diff", "--no-textconv"];
const noSubmodules = ["--ignore-submodules=all", "--submodule=short"];
const shownDiff = `-M -C -U=number -W -b -p -q -s -u -w -z --cached --check --color[=text] --diff-filter=text --find-renames[=text]
  --function-context --histogram --ignore-all-space --ignore-blank-lines --ignore-space-change --minimal --name-only
  --name-status --no-color --no-ext-diff --no-patch --no-renames --no-textconv --numstat --patch --patience --raw --shortstat
  --staged --stat[=text] --summary --unified=number --word-diff[=text]`;
const shownCommits = `-5 -S=text -G=text -i -n=number --abbrev-commit --after=text --all --author=text --before=text --branches
  --committer=text --date=text --decorate[=text] --first-parent --follow --graph --grep=text --invert-grep --max-count=number
  --merges --no-decorate --no-merges --oneline --pickaxe-regex --reverse --since=text --skip=number --tags --until=text`;
/** Any other name of a format may be one that the repository made. */
const formatNames = /^(?:oneline|short|medium|full|fuller|reference|raw|t?format:.*|[^:]*%.*)$/u;
/** A signature is checked by a program. */
const signature = /%[-+ ]*(?:G|\()/u;

/** Names of commits, branches, places in the repository: each must be harmless as a path. */
const things: Operands = (words) => words.map(() => "path");
const listed = (needed: readonly string[]): Operands => {
  return (words, given) =>
    words.length === 0 || needed.some((name) => given.has(name)) ? words.map(() => "text") : null;
};

const verbs: ReadonlyMap<string, Verb> = new Map(
  Object.entries<Verb>({
    status: {
      judge: grammar(
        "-b -s -u[=text] -v -z --branch --ignored --long --no-renames --porcelain[=text] --short --show-stash --untracked-files[=text]",
        things,
      ),
      fixed: ["--ignore-submodules=all"],
    },
    diff: { judge: grammar(shownDiff, things), fixed: [...noPrograms, ...noSubmodules] },
    log: {
      judge: grammar(`${shownDiff} ${shownCommits}`, things),
      fixed: [...noPrograms, ...noSubmodules],
    },
    show: {
      judge: grammar(`${shownDiff} ${shownCommits}`, things),
      fixed: [...noPrograms, ...noSubmodules],
    },
    blame: {
      judge: grammar(
        "-C -L=text -M -e -l -n -p -s -t -w --date=text --porcelain --show-email",
        things,
      ),
      fixed: ["--no-textconv"],
    },
    branch: {
      judge: grammar(
        "-a -i -l -r -v --all --contains[=text] --ignore-case --list --merged[=text] --no-merged[=text] --remotes --show-current --verbose",
        listed(["-l", "--list"]),
      ),
      fixed: ["--no-column"],
    },
    tag: {
      judge: grammar("-i -l --ignore-case --list", listed(["-l", "--list"])),
      fixed: ["--no-column"],
    },
    "rev-parse": {
      judge: grammar(
        "-q --abbrev-ref --absolute-git-dir --git-dir --is-bare-repository --is-inside-git-dir --is-inside-work-tree --quiet --short[=number] --show-cdup --show-prefix --show-toplevel --symbolic-full-name --verify",
        things,
      ),
      fixed: [],
    },
    "ls-files": {
      judge: grammar(
        "-c -d -i -k -m -o -s -t -u -v -x=text -z --cached --deleted --exclude=text --exclude-standard --full-name --modified --others --stage --unmerged",
        things,
      ),
      fixed: [],
    },
    "ls-tree": {
      judge: grammar("-d -l -r -t -z --full-name --full-tree --long --name-only", things),
      fixed: [],
    },
    describe: {
      judge: grammar(
        "--all --abbrev=number --always --candidates=number --contains --exact-match --long --match=text --tags",
        things,
      ),
      fixed: [],
    },
    shortlog: {
      judge: grammar(
        "-c -e -n -s --after=text --all --before=text --email --no-merges --numbered --since=text --summary",
        things,
      ),
      fixed: [],
    },
    grep: {
      judge: grammar(
        "-5 -A=number -B=number -C=number -E -F -G -H -I -L -P -a -c -e=text -h -i -l -n -o -q -v -w -z --cached --count --extended-regexp --files-with-matches --fixed-strings --ignore-case --line-number --name-only --untracked --word-regexp",
        (words, given) => words.map((_, at) => (at === 0 && !given.has("-e") ? "text" : "path")),
      ),
      fixed: ["--no-textconv", "--no-recurse-submodules"],
    },
    "merge-base": { judge: grammar("-a --all --is-ancestor", things), fixed: [] },
    "cat-file": { judge: grammar("-e -p -s -t", atMost(2, things)), fixed: [] },
    version: { judge: grammar("", nothing), fixed: [] },
    "check-ignore": { judge: grammar("-n -q -v", texts), fixed: [] },
  }),
);

/** What `git` with these arguments comes to, and what runs in its place. */
export function readGit(args: readonly string[], cwd: string): GitRun {
  const rest = args.slice(args.findIndex((word) => word !== "--no-pager" && word !== "-P"));
  const [name = "", ...given] = rest[0] === "--version" ? ["version", ...rest.slice(1)] : rest;
  const verb = verbs.get(name);
  const formatted = takeFormat(name, given);
  const effect = worst([
    verb === undefined || formatted === null ? "unknown" : verb.judge(formatted, cwd),
    ...given.map((word) => effectOfWord(word, cwd)),
    effectOfPath(".", cwd),
  ]);
  if (verb === undefined || effect !== "reads") return { effect, run: null };
  const fixed = settings.flatMap((setting) => ["-c", setting]);
  return { effect, run: [...launcher, ...fixed, name, ...verb.fixed, ...given] };
}

/** Takes out how commits are shown, where that is harmless; null where it may not be. */
function takeFormat(verb: string, args: readonly string[]): readonly string[] | null {
  if (verb !== "log" && verb !== "show") return args;
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const isFormat = (word: string, at: number): boolean =>
    at < end && /^--(?:format|pretty)=/u.test(word);
  const harmless = args.every((word, at) => {
    const format = word.slice(word.indexOf("=") + 1);
    return !isFormat(word, at) || (formatNames.test(format) && !signature.test(format));
  });
  return harmless ? args.filter((word, at) => !isFormat(word, at)) : null;
}
